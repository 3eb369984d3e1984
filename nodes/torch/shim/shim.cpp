// What tch does not expose of libtorch, as C functions, and operations of the trainer that keep less for their backward pass. Tensors go in and out as pointers to at::Tensor, as tch itself holds them.
// Every function gives null, or the words of what it threw; the caller frees them.

#include <ATen/DeviceAccelerator.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rms_norm.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>
#include <ATen/ops/softmax.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <vector>

namespace {

template <typename Work>
char* caught(Work work) {
  try {
    work();
    return nullptr;
  } catch (const std::exception& error) {
    return strdup(error.what());
  } catch (...) {
    return strdup("an exception without words");
  }
}

std::vector<at::Tensor> list(at::Tensor* const* tensors, size_t count) {
  std::vector<at::Tensor> all;
  all.reserve(count);
  for (size_t i = 0; i < count; ++i) all.push_back(*tensors[i]);
  return all;
}

// `rows` [M, in] by `weight` [out, in], in any layout -> [M, out]. A convolution of 1 x 1 over points whose channels lie side by side is a
// linear map, and nothing is copied for it: libtorch leaves it to oneDNN, and linear maps to MKL.
at::Tensor mapped(const at::Tensor& rows, const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  const auto m = rows.size(0), in = rows.size(1), out = weight.size(0);
  // Few rows, and other devices and types, are better served by libtorch's own choice.
  if (m < 128 || !rows.device().is_cpu() || rows.scalar_type() != at::kFloat) return at::linear(rows, weight, bias);
  const auto points = rows.reshape({1, m, 1, in}).permute({0, 3, 1, 2});
  const auto kernel = weight.unsqueeze(2).unsqueeze(3);
  const auto found = at::convolution(points, kernel, bias, {1, 1}, {0, 0}, {1, 1}, /*transposed=*/false, {0, 0}, /*groups=*/1);
  return found.permute({0, 2, 3, 1}).reshape({m, out});
}

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Linear : torch::autograd::Function<Linear> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& rows, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias) {
    context->save_for_backward({rows, weight});
    context->saved_data["bias"] = bias.has_value();
    return mapped(rows, weight, bias);
  }

  static variable_list backward(AutogradContext* context, variable_list given) {
    const auto saved = context->get_saved_variables();
    const auto& gradient = given[0];
    at::Tensor rows, weight, bias;
    if (context->needs_input_grad(0)) rows = mapped(gradient, saved[1].t(), std::nullopt);
    // Here MKL is the faster one.
    if (context->needs_input_grad(1)) weight = gradient.t().matmul(saved[0]);
    if (context->saved_data["bias"].toBool() && context->needs_input_grad(2)) bias = gradient.sum(0);
    return {rows, weight, bias};
  }
};

// x / rms(x), rounded to the type of x, times the weight. Keeps x and one number a row, and computes x / rms(x) again.
struct RmsNorm : torch::autograd::Function<RmsNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight, double eps) {
    context->save_for_backward({x, weight});
    context->saved_data["eps"] = eps;
    return at::rms_norm(x, weight.sizes(), std::nullopt, eps).mul(weight);
  }

  static variable_list backward(AutogradContext* context, variable_list given) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &weight = saved[1];
    at::Tensor dx, dw;
    at::AutoGradMode enabled(true);
    const auto input = x.detach().requires_grad_(true);
    const auto normed = at::rms_norm(input, weight.sizes(), std::nullopt, context->saved_data["eps"].toDouble());
    const auto gradient = given[0].detach();
    if (context->needs_input_grad(1)) {
      at::AutoGradMode disabled(false);
      dw = gradient.mul(normed.detach()).sum_to_size(weight.sizes());
    }
    if (context->needs_input_grad(0)) dx = torch::autograd::grad({normed}, {input}, {gradient.mul(weight.detach())})[0];
    return {dx, dw, at::Tensor()};
  }
};

// down(silu(gate) * up): keeps gate and up, and computes their product again.
struct Gated : torch::autograd::Function<Gated> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& gate, const at::Tensor& up, const at::Tensor& down) {
    context->save_for_backward({gate, up, down});
    return mapped(at::silu(gate).mul_(up), down, std::nullopt);
  }

  static variable_list backward(AutogradContext* context, variable_list given) {
    const auto saved = context->get_saved_variables();
    const auto &gate = saved[0], &up = saved[1], &down = saved[2];
    const auto& gradient = given[0];
    at::Tensor dgate, dup, ddown;
    const auto active = at::silu(gate);
    if (context->needs_input_grad(2)) ddown = gradient.t().matmul(active.mul(up));
    const auto inner = mapped(gradient, down.t(), std::nullopt);
    if (context->needs_input_grad(1)) dup = inner.mul(active);
    if (context->needs_input_grad(0)) dgate = at::silu_backward(inner.mul(up), gate);
    return {dgate, dup, ddown};
  }
};

// -log softmax(scores)[target] in float32 for every row. Works on some rows at a time and writes the scores' gradient over them, so that
// nothing of their size stands beside them: who made the scores must not need them any more.
struct CrossEntropy : torch::autograd::Function<CrossEntropy> {
  static constexpr int64_t ROWS = 64;

  static at::Tensor forward(AutogradContext* context, const at::Tensor& scores, const at::Tensor& targets) {
    const auto rows = scores.size(0);
    const auto losses = at::empty({rows}, scores.options().dtype(at::kFloat));
    for (int64_t start = 0; start < rows; start += ROWS) {
      const auto count = std::min(ROWS, rows - start);
      const auto logarithms = at::log_softmax(scores.narrow(0, start, count), -1, at::kFloat);
      const auto found = logarithms.gather(-1, targets.narrow(0, start, count).unsqueeze(-1)).squeeze(-1);
      losses.narrow(0, start, count).copy_(found.neg());
    }
    context->save_for_backward({scores, targets});
    return losses;
  }

  static variable_list backward(AutogradContext* context, variable_list given) {
    const auto saved = context->get_saved_variables();
    const auto &scores = saved[0], &targets = saved[1];
    const auto rows = scores.size(0);
    const auto gradient = scores.detach();
    for (int64_t start = 0; start < rows; start += ROWS) {
      const auto count = std::min(ROWS, rows - start);
      auto part = at::softmax(scores.narrow(0, start, count), -1, at::kFloat);
      const auto ones = at::ones({count, 1}, part.options());
      part.scatter_add_(-1, targets.narrow(0, start, count).unsqueeze(-1), ones.neg());
      part.mul_(given[0].narrow(0, start, count).unsqueeze(-1));
      gradient.narrow(0, start, count).copy_(part);
    }
    return {gradient, at::Tensor()};
  }
};

}  // namespace

extern "C" {

void trommel_free(char* words) { free(words); }

// Gradients of `output`, whose own gradient is `gradient`, by `inputs`: a tensor for each in `results`, null where the output does not
// depend on it. The graph is used up.
char* trommel_grad(at::Tensor* output, at::Tensor* gradient, at::Tensor* const* inputs, size_t count, at::Tensor** results) {
  return caught([&] {
    auto found = torch::autograd::grad({*output}, list(inputs, count), {*gradient}, /*retain_graph=*/false, /*create_graph=*/false,
                                       /*allow_unused=*/true);
    for (size_t i = 0; i < count; ++i) results[i] = found[i].defined() ? new at::Tensor(std::move(found[i])) : nullptr;
  });
}

// One AdamW update of `count` float32 tensors in place. `steps` hold the number of the update, float32 on the tensors' device.
char* trommel_adamw(at::Tensor* const* values, at::Tensor* const* gradients, at::Tensor* const* means, at::Tensor* const* squares,
                    at::Tensor* const* steps, size_t count, double rate, double beta1, double beta2, double decay, double eps) {
  return caught([&] {
    at::_fused_adamw_(list(values, count), list(gradients, count), list(means, count), list(squares, count), {}, list(steps, count), rate,
                      beta1, beta2, decay, eps, /*amsgrad=*/false, /*maximize=*/false);
  });
}

// `rows` [M, in] by `weight` [out, in], plus `bias` [out] or null: float32 on a CPU, differentiable -> [M, out].
char* trommel_linear(at::Tensor* rows, at::Tensor* weight, at::Tensor* bias, at::Tensor** result) {
  return caught([&] {
    const auto added = bias == nullptr ? std::nullopt : std::make_optional(*bias);
    *result = new at::Tensor(Linear::apply(*rows, *weight, added));
  });
}

// x [.., hidden] / rms(x) * weight [hidden], differentiable -> as x.
char* trommel_rms_norm(at::Tensor* x, at::Tensor* weight, double eps, at::Tensor** result) {
  return caught([&] { *result = new at::Tensor(RmsNorm::apply(*x, *weight, eps)); });
}

// (silu(gate) * up) [M, inner] by `down` [out, inner], differentiable -> [M, out].
char* trommel_gated(at::Tensor* gate, at::Tensor* up, at::Tensor* down, at::Tensor** result) {
  return caught([&] { *result = new at::Tensor(Gated::apply(*gate, *up, *down)); });
}

// Cross entropy of `scores` [N, classes] and `targets` int64 [N], differentiable by the scores, which the backward pass uses up -> float32 [N].
char* trommel_cross_entropy(at::Tensor* scores, at::Tensor* targets, at::Tensor** result) {
  return caught([&] { *result = new at::Tensor(CrossEntropy::apply(*scores, *targets)); });
}

// Causal flash attention over samples laid end to end, on a CUDA device, differentiable. `q`, `k`, `v`: 16 bits, [tokens, heads, width];
// `starts`: int32 [samples + 1]. The result is as `q`.
char* trommel_flash(at::Tensor* q, at::Tensor* k, at::Tensor* v, at::Tensor* starts, int64_t longest, at::Tensor** result) {
  return caught([&] {
    auto found = at::_flash_attention_forward(*q, *k, *v, *starts, *starts, longest, longest, /*dropout_p=*/0.0, /*is_causal=*/true,
                                              /*return_debug_mask=*/false);
    *result = new at::Tensor(std::move(std::get<0>(found)));
  });
}

// Bytes of a CUDA device: in tensors of this process, held by it, and held by nobody.
char* trommel_memory(int8_t device, uint64_t* bytes) {
  return caught([&] {
    auto* allocator = c10::getDeviceAllocator(c10::DeviceType::CUDA);
    const auto stats = allocator->getDeviceStats(device);
    const auto all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    bytes[0] = stats.allocated_bytes[all].current;
    bytes[1] = stats.reserved_bytes[all].current;
    bytes[2] = allocator->getMemoryInfo(device).first;
  });
}

}  // extern "C"
