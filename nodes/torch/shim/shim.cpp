// What tch does not expose of libtorch, as C functions. Tensors go in and out as pointers to at::Tensor, as tch itself holds them.
// Every function gives null, or the words of what it threw; the caller frees them.

#include <ATen/DeviceAccelerator.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/convolution.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

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
  const auto points = rows.reshape({1, m, 1, in}).permute({0, 3, 1, 2});
  const auto kernel = weight.unsqueeze(2).unsqueeze(3);
  const auto found = at::convolution(points, kernel, bias, {1, 1}, {0, 0}, {1, 1}, /*transposed=*/false, {0, 0}, /*groups=*/1);
  return found.permute({0, 2, 3, 1}).reshape({m, out});
}

struct Linear : torch::autograd::Function<Linear> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& rows, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias) {
    context->save_for_backward({rows, weight});
    context->saved_data["bias"] = bias.has_value();
    return mapped(rows, weight, bias);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list given) {
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

// Causal flash attention over samples laid end to end, on a CUDA device, differentiable. `q`, `k`, `v`: 16 bits, [tokens, heads, width];
// `starts`: int32 [samples + 1]. The result is as `q`.
char* trommel_flash(at::Tensor* q, at::Tensor* k, at::Tensor* v, at::Tensor* starts, int64_t longest, at::Tensor** result) {
  return caught([&] {
    auto found = at::_flash_attention_forward(*q, *k, *v, *starts, *starts, longest, longest, /*dropout_p=*/0.0, /*is_causal=*/true,
                                              /*return_debug_mask=*/false);
    *result = new at::Tensor(std::move(std::get<0>(found)));
  });
}

// Bytes of a CUDA device: {allocated now, allocated at the most, reserved now, reserved at the most, free, total}.
char* trommel_memory(int8_t device, uint64_t* bytes) {
  return caught([&] {
    auto* allocator = c10::getDeviceAllocator(c10::DeviceType::CUDA);
    const auto stats = allocator->getDeviceStats(device);
    const auto all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    const auto [free, total] = allocator->getMemoryInfo(device);
    bytes[0] = stats.allocated_bytes[all].current;
    bytes[1] = stats.allocated_bytes[all].peak;
    bytes[2] = stats.reserved_bytes[all].current;
    bytes[3] = stats.reserved_bytes[all].peak;
    bytes[4] = free;
    bytes[5] = total;
  });
}

// Forgets the most that was allocated so far.
char* trommel_reset_peak(int8_t device) {
  return caught([&] { c10::getDeviceAllocator(c10::DeviceType::CUDA)->resetPeakStats(device); });
}

}  // extern "C"
