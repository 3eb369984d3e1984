// What tch does not expose of libtorch, as C functions. Tensors go in and out as pointers to at::Tensor, as tch itself holds them.
// Every function gives null, or the words of what it threw; the caller frees them.

#include <ATen/DeviceAccelerator.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/_fused_adamw.h>
#include <torch/csrc/autograd/autograd.h>

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
