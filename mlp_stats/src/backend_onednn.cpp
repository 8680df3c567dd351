// The fast backend. It computes what backend_eigen.cpp computes, with the matrix products by oneDNN and
//  - activations stored [hidden x batch] with the batch contiguous, the order in which oneDNN's products are fastest;
//  - the weight update inside the product that forms the gradient, W <- (1 - lr decay) W - lr dZ A^T, so that no
//    gradient array is ever written or read (it would be 1.2 MB, beyond a second-level cache);
//  - bias, ReLU and read-out in one pass over the activations, and likewise on the way back.

#include "backend_onednn.hpp"

#include <omp.h>
#include <dnnl.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <new>
#include <vector>

#include "iclk/core/logistic.hpp"

namespace iclk::mlp_stats {
namespace {

/// Floats on a cache-line boundary: the vector kernels of oneDNN and their results must not depend on where an
/// allocator happens to put an array.
class Buffer {
 public:
  explicit Buffer(std::size_t size)
      : data_(static_cast<float*>(::operator new(size * sizeof(float), kAlignment))), size_(size) {
    std::fill_n(data_.get(), size, 0.0F);
  }
  float* data() noexcept { return data_.get(); }
  const float* data() const noexcept { return data_.get(); }
  std::size_t size() const noexcept { return size_; }
  float& operator[](std::size_t i) noexcept { return data_.get()[i]; }
  const float& operator[](std::size_t i) const noexcept { return data_.get()[i]; }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Release {
    void operator()(float* data) const noexcept { ::operator delete(data, kAlignment); }
  };
  std::unique_ptr<float, Release> data_;
  std::size_t size_;
};

/// Keeps oneDNN on the calling thread while it lives: one run uses one thread, many runs share the cores.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

/// C <- alpha op(A) op(B) + beta C for row-major matrices, op(A): [m x k], op(B): [k x n], C: [m x n].
void product(char op_a, char op_b, std::size_t m, std::size_t n, std::size_t k, float alpha, const float* a,
             const float* b, float beta, float* c) {
  const auto rows = static_cast<dnnl_dim_t>(m);
  const auto columns = static_cast<dnnl_dim_t>(n);
  const auto inner = static_cast<dnnl_dim_t>(k);
  dnnl_sgemm(op_a, op_b, rows, columns, inner, alpha, a, op_a == 'N' ? inner : rows, b, op_b == 'N' ? columns : inner,
             beta, c, columns);
}

class OnednnBackend final : public Backend {
 public:
  OnednnBackend(const ItemDataset& dataset, MlpShape shape, std::size_t batch)
      : dataset_(dataset),
        shape_(shape),
        batch_(batch),
        w1_(shape.hidden * shape.n_features),
        b1_(shape.hidden),
        w2_(shape.hidden * shape.hidden),
        b2_(shape.hidden),
        w3_(shape.hidden),
        inputs_(shape.n_features * batch),
        hidden1_(shape.hidden * batch),
        hidden2_(shape.hidden * batch),
        logits_(batch),
        d_hidden1_(shape.hidden * batch),
        d_logits_(batch) {}

  void upload(const MlpParameters& parameters) override {
    assign(w1_, parameters.w1);
    assign(b1_, parameters.b1);
    assign(w2_, parameters.w2);
    assign(b2_, parameters.b2);
    assign(w3_, parameters.w3);
    b3_ = static_cast<float>(parameters.b3);
  }

  MlpParameters download() const override {
    MlpParameters parameters(shape_);
    extract(w1_, parameters.w1);
    extract(b1_, parameters.b1);
    extract(w2_, parameters.w2);
    extract(b2_, parameters.b2);
    extract(w3_, parameters.w3);
    parameters.b3 = b3_;
    return parameters;
  }

  void train(std::span<const std::uint32_t> batches, const SgdOptions& options) override {
    const OneThread one_thread;
    for (std::size_t first = 0; first < batches.size(); first += batch_) {
      const auto items = batches.subspan(first, batch_);
      gather(items.data(), batch_);
      forward();
      loss_gradient(items);
      backward_and_update(options);
    }
  }

  void logits(std::span<double> logits) override {
    const OneThread one_thread;
    std::vector<std::uint32_t> items(batch_);
    for (std::size_t first = 0; first < dataset_.n_items; first += batch_) {
      const std::size_t count = std::min(batch_, dataset_.n_items - first);
      for (std::size_t b = 0; b < batch_; ++b) {
        items[b] = static_cast<std::uint32_t>(first + std::min(b, count - 1));  // the last batch repeats its last item
      }
      gather(items.data(), batch_);
      forward();
      for (std::size_t b = 0; b < count; ++b) logits[first + b] = logits_[b];
    }
  }

 private:
  static void assign(Buffer& to, const std::vector<double>& from) {
    for (std::size_t i = 0; i < from.size(); ++i) to[i] = static_cast<float>(from[i]);
  }
  static void extract(const Buffer& from, std::vector<double>& to) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = from[i];
  }

  void gather(const std::uint32_t* items, std::size_t count) {
    for (std::size_t b = 0; b < count; ++b) {
      const float* row = dataset_.features.data() + items[b] * shape_.n_features;
      std::copy_n(row, shape_.n_features, inputs_.data() + b * shape_.n_features);
    }
  }

  void forward() {
    const auto [n_features, hidden] = shape_;
    product('N', 'T', hidden, batch_, n_features, 1.0F, w1_.data(), inputs_.data(), 0.0F, hidden1_.data());
    for (std::size_t i = 0; i < hidden; ++i) {
      float* row = hidden1_.data() + i * batch_;
      const float bias = b1_[i];
      for (std::size_t b = 0; b < batch_; ++b) row[b] = std::max(row[b] + bias, 0.0F);
    }
    product('N', 'N', hidden, batch_, hidden, 1.0F, w2_.data(), hidden1_.data(), 0.0F, hidden2_.data());
    float* logits = logits_.data();
    std::fill_n(logits, batch_, b3_);
    for (std::size_t i = 0; i < hidden; ++i) {
      float* row = hidden2_.data() + i * batch_;
      const float bias = b2_[i];
      const float weight = w3_[i];
      for (std::size_t b = 0; b < batch_; ++b) {
        const float activation = std::max(row[b] + bias, 0.0F);
        row[b] = activation;
        logits[b] += weight * activation;
      }
    }
  }

  void loss_gradient(std::span<const std::uint32_t> items) {
    for (std::size_t b = 0; b < batch_; ++b) {
      const double label = dataset_.labels[items[b]];
      d_logits_[b] = static_cast<float>(-label * sigmoid(-label * logits_[b]) / static_cast<double>(batch_));
    }
  }

  /// Overwrites hidden2 by d loss / d pre-activation, then updates from the last layer to the first; each layer's
  /// input gradient is taken before its weights change.
  void backward_and_update(const SgdOptions& options) {
    const auto [n_features, hidden] = shape_;
    const auto lr = static_cast<float>(options.lr);
    const auto keep = static_cast<float>(1.0 - options.lr * options.weight_decay);
    const float* d_logits = d_logits_.data();

    float d_b3 = 0.0F;
    for (std::size_t b = 0; b < batch_; ++b) d_b3 += d_logits[b];
    b3_ = keep * b3_ - lr * d_b3;

    for (std::size_t i = 0; i < hidden; ++i) {
      float* row = hidden2_.data() + i * batch_;
      const float weight = w3_[i];
      float d_weight = 0.0F;
      float d_bias = 0.0F;
      sum_and_mask(row, d_logits, weight, d_weight, d_bias);
      w3_[i] = keep * weight - lr * d_weight;
      b2_[i] = keep * b2_[i] - lr * d_bias;
    }
    product('T', 'N', hidden, batch_, hidden, 1.0F, w2_.data(), hidden2_.data(), 0.0F, d_hidden1_.data());
    product('N', 'T', hidden, hidden, batch_, -lr, hidden2_.data(), hidden1_.data(), keep, w2_.data());

    for (std::size_t i = 0; i < hidden; ++i) {
      const float* activation = hidden1_.data() + i * batch_;
      float* gradient = d_hidden1_.data() + i * batch_;
      b1_[i] = keep * b1_[i] - lr * mask_and_sum(activation, gradient);
    }
    product('N', 'N', hidden, n_features, batch_, -lr, d_hidden1_.data(), inputs_.data(), keep, w1_.data());
  }

  // Sums over the batch keep kLanes partial sums, which compilers turn into vector additions; a plain sum has a
  // fixed order that they must not change. Values are loaded before they are chosen from: a load behind a condition
  // would be a branch, and these branches cannot be predicted.
  static constexpr std::size_t kLanes = 8;

  /// row <- weight d_logits where row > 0, else 0; d_weight = row . d_logits (old row), d_bias = sum of the new row.
  void sum_and_mask(float* row, const float* d_logits, float weight, float& d_weight, float& d_bias) const {
    float weight_lanes[kLanes] = {};
    float bias_lanes[kLanes] = {};
    std::size_t b = 0;
    for (; b + kLanes <= batch_; b += kLanes) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        const float activation = row[b + lane];
        const float incoming = d_logits[b + lane];
        const float gradient = activation > 0.0F ? incoming : 0.0F;
        weight_lanes[lane] += activation * gradient;
        bias_lanes[lane] += gradient;
        row[b + lane] = weight * gradient;
      }
    }
    for (; b < batch_; ++b) {
      const float gradient = row[b] > 0.0F ? d_logits[b] : 0.0F;
      weight_lanes[0] += row[b] * gradient;
      bias_lanes[0] += gradient;
      row[b] = weight * gradient;
    }
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      d_weight += weight_lanes[lane];
      d_bias += bias_lanes[lane];
    }
    d_bias *= weight;
  }

  /// gradient <- 0 where activation is 0; returns the sum of what is left.
  float mask_and_sum(const float* activation, float* gradient) const {
    float lanes[kLanes] = {};
    std::size_t b = 0;
    for (; b + kLanes <= batch_; b += kLanes) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        const float incoming = gradient[b + lane];
        const float kept = activation[b + lane] > 0.0F ? incoming : 0.0F;
        gradient[b + lane] = kept;
        lanes[lane] += kept;
      }
    }
    for (; b < batch_; ++b) {
      gradient[b] = activation[b] > 0.0F ? gradient[b] : 0.0F;
      lanes[0] += gradient[b];
    }
    float sum = 0.0F;
    for (const float lane : lanes) sum += lane;
    return sum;
  }

  const ItemDataset& dataset_;
  MlpShape shape_;
  std::size_t batch_;
  Buffer w1_, b1_, w2_, b2_, w3_;  // as in MlpParameters
  float b3_ = 0.0F;
  Buffer inputs_;             // [batch x n_features], rows of the batch's items
  Buffer hidden1_, hidden2_;  // [hidden x batch]
  Buffer logits_;             // [batch]
  Buffer d_hidden1_;          // [hidden x batch]
  Buffer d_logits_;           // [batch]
};

}  // namespace

std::unique_ptr<Backend> make_onednn_backend(const ItemDataset& dataset, MlpShape shape, std::size_t batch) {
  return std::make_unique<OnednnBackend>(dataset, shape, batch);
}

std::string onednn_description() {
  const dnnl_version_t* version = dnnl_version();
  std::string text =
      std::to_string(version->major) + '.' + std::to_string(version->minor) + '.' + std::to_string(version->patch);
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41:
      return text + " sse41";
    case dnnl::cpu_isa::avx:
      return text + " avx";
    case dnnl::cpu_isa::avx2:
      return text + " avx2";
    case dnnl::cpu_isa::avx2_vnni:
      return text + " avx2_vnni";
    case dnnl::cpu_isa::avx512_core:
      return text + " avx512_core";
    case dnnl::cpu_isa::avx512_core_vnni:
      return text + " avx512_core_vnni";
    case dnnl::cpu_isa::avx512_core_bf16:
      return text + " avx512_core_bf16";
    case dnnl::cpu_isa::avx512_core_amx:
      return text + " avx512_core_amx";
    default:
      return text + " (instruction set " + std::to_string(static_cast<int>(dnnl::get_effective_cpu_isa())) + ")";
  }
}

double measured_product_rate(MlpShape shape, std::size_t batch, double seconds) {
  using Clock = std::chrono::steady_clock;
  const OneThread one_thread;
  const auto [n_features, hidden] = shape;
  Buffer w1(hidden * n_features), w2(hidden * hidden), inputs(n_features * batch), h1(hidden * batch),
      h2(hidden * batch);
  const auto once = [&] {
    product('N', 'T', hidden, batch, n_features, 1.0F, w1.data(), inputs.data(), 0.0F, h1.data());
    product('N', 'N', hidden, batch, hidden, 1.0F, w2.data(), h1.data(), 0.0F, h2.data());
    product('T', 'N', hidden, batch, hidden, 1.0F, w2.data(), h2.data(), 0.0F, h1.data());
    product('N', 'T', hidden, hidden, batch, -1e-6F, h2.data(), h1.data(), 1.0F, w2.data());
    product('N', 'N', hidden, n_features, batch, -1e-6F, h1.data(), inputs.data(), 1.0F, w1.data());
  };
  once();
  double best = 0.0;  // the fastest of many short stretches: other work on the machine only slows
  const auto start = Clock::now();
  do {
    constexpr int kRepeats = 8;
    const auto before = Clock::now();
    for (int i = 0; i < kRepeats; ++i) once();
    const double elapsed = std::chrono::duration<double>(Clock::now() - before).count();
    best = std::max(best, kRepeats * flops_per_step(shape, batch) / elapsed);
  } while (std::chrono::duration<double>(Clock::now() - start).count() < seconds);
  return best;
}

}  // namespace iclk::mlp_stats
