#include "iclk/mlp_stats/matrix_product.hpp"

#include <omp.h>
#include <dnnl.hpp>

#define EIGEN_DONT_PARALLELIZE  // one run uses one thread
#include <Eigen/Dense>

#include <chrono>
#include <string>

#include "iclk/mlp_stats/backend.hpp"

namespace iclk::mlp_stats {
namespace {

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

void onednn_product(Op op_a, Op op_b, std::size_t m, std::size_t n, std::size_t k, float alpha, const float* a,
                    const float* b, float beta, float* c) {
  const OneThread one_thread;
  const auto rows = static_cast<dnnl_dim_t>(m);
  const auto columns = static_cast<dnnl_dim_t>(n);
  const auto inner = static_cast<dnnl_dim_t>(k);
  dnnl_sgemm(op_a == Op::plain ? 'N' : 'T', op_b == Op::plain ? 'N' : 'T', rows, columns, inner, alpha, a,
             op_a == Op::plain ? inner : rows, b, op_b == Op::plain ? columns : inner, beta, c, columns);
}

template <class Real>
void eigen_product(Op op_a, Op op_b, std::size_t m, std::size_t n, std::size_t k, Real alpha, const Real* a,
                   const Real* b, Real beta, Real* c) {
  using Matrix = Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Input = Eigen::Map<const Matrix>;
  const auto rows = static_cast<Eigen::Index>(m);
  const auto columns = static_cast<Eigen::Index>(n);
  const auto inner = static_cast<Eigen::Index>(k);
  Eigen::Map<Matrix> to(c, rows, columns);
  const Input left(a, op_a == Op::plain ? rows : inner, op_a == Op::plain ? inner : rows);
  const Input right(b, op_b == Op::plain ? inner : columns, op_b == Op::plain ? columns : inner);
  // beta = 0 overwrites even what is not a number, as oneDNN does.
  if (!(beta < 0 || beta > 0)) {
    to.setZero();
  } else {
    to *= beta;
  }
  if (op_a == Op::plain && op_b == Op::plain) to.noalias() += alpha * (left * right);
  if (op_a == Op::plain && op_b == Op::transposed) to.noalias() += alpha * (left * right.transpose());
  if (op_a == Op::transposed && op_b == Op::plain) to.noalias() += alpha * (left.transpose() * right);
  if (op_a == Op::transposed && op_b == Op::transposed) to.noalias() += alpha * (left.transpose() * right.transpose());
}

}  // namespace

void product(BackendKind kind, Op op_a, Op op_b, std::size_t m, std::size_t n, std::size_t k, float alpha,
             const float* a, const float* b, float beta, float* c) {
  if (kind == BackendKind::onednn) {
    onednn_product(op_a, op_b, m, n, k, alpha, a, b, beta, c);
  } else {
    eigen_product(op_a, op_b, m, n, k, alpha, a, b, beta, c);
  }
}

void product(BackendKind, Op op_a, Op op_b, std::size_t m, std::size_t n, std::size_t k, double alpha, const double* a,
             const double* b, double beta, double* c) {
  eigen_product(op_a, op_b, m, n, k, alpha, a, b, beta, c);
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
  const std::size_t n_features = shape.n_features;
  const std::size_t hidden = shape.hidden;
  AlignedArray<float> w1(hidden * n_features), w2(hidden * hidden), inputs(n_features * batch), h1(hidden * batch),
      h2(hidden * batch);
  const auto once = [&] {
    onednn_product(Op::plain, Op::transposed, hidden, batch, n_features, 1.0F, w1.data(), inputs.data(), 0.0F,
                   h1.data());
    onednn_product(Op::plain, Op::plain, hidden, batch, hidden, 1.0F, w2.data(), h1.data(), 0.0F, h2.data());
    onednn_product(Op::transposed, Op::plain, hidden, batch, hidden, 1.0F, w2.data(), h2.data(), 0.0F, h1.data());
    onednn_product(Op::plain, Op::transposed, hidden, hidden, batch, -1e-6F, h2.data(), h1.data(), 1.0F, w2.data());
    onednn_product(Op::plain, Op::plain, hidden, n_features, batch, -1e-6F, h1.data(), inputs.data(), 1.0F, w1.data());
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
