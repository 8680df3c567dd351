// The readable engine: it defines what a training step computes. Every other engine is tested against it.

#include "engine_eigen.hpp"

#define EIGEN_DONT_PARALLELIZE  // one run uses one thread
#include <Eigen/Dense>

#include <cassert>
#include <vector>

namespace iclk::mlp_stats {
namespace {

template <class Scalar>
class EigenEngine final : public MlpEngine<Scalar> {
  using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Vector = Eigen::Matrix<Scalar, Eigen::Dynamic, 1>;

 public:
  EigenEngine(MlpShape shape, std::size_t batch)
      : shape_(shape),
        batch_(batch),
        weights_(shape),
        gradient_(shape),
        input_rows_(batch, shape.n_features),
        inputs_(shape.n_features, batch),
        hidden1_(shape.hidden, batch),
        hidden2_(shape.hidden, batch),
        outputs_(batch, shape.n_outputs),
        d_hidden1_(shape.hidden, batch),
        d_hidden2_(shape.hidden, batch),
        d_outputs_(batch, shape.n_outputs) {
    input_rows_.setZero();
    d_outputs_.setZero();
  }

  MlpShape shape() const noexcept override { return shape_; }
  std::size_t batch() const noexcept override { return batch_; }

  void upload(const MlpParameters& parameters) override {
    assign(weights_.w1, parameters.w1);
    assign(weights_.b1, parameters.b1);
    assign(weights_.w2, parameters.w2);
    assign(weights_.b2, parameters.b2);
    assign(weights_.w3, parameters.w3);
    assign(weights_.b3, parameters.b3);
  }

  MlpParameters download() const override {
    MlpParameters parameters(shape_);
    extract(weights_.w1, parameters.w1);
    extract(weights_.b1, parameters.b1);
    extract(weights_.w2, parameters.w2);
    extract(weights_.b2, parameters.b2);
    extract(weights_.w3, parameters.w3);
    extract(weights_.b3, parameters.b3);
    return parameters;
  }

  std::span<Scalar> inputs() noexcept override { return as_span(input_rows_); }
  std::span<Scalar> d_outputs() noexcept override { return as_span(d_outputs_); }

  std::span<const Scalar> forward() override {
    inputs_ = input_rows_.transpose();
    hidden1_.noalias() = weights_.w1 * inputs_;
    hidden1_ = (hidden1_.colwise() + weights_.b1).cwiseMax(Scalar(0));
    hidden2_.noalias() = weights_.w2 * hidden1_;
    hidden2_ = (hidden2_.colwise() + weights_.b2).cwiseMax(Scalar(0));
    if (shape_.n_outputs == 1) {
      as_vector(outputs_).noalias() = hidden2_.transpose() * as_vector(weights_.w3);
    } else {
      outputs_.noalias() = hidden2_.transpose() * weights_.w3.transpose();
    }
    outputs_.rowwise() += weights_.b3.transpose();
    return as_span(outputs_);
  }

  void backward_and_update(const SgdOptions& options, std::span<Scalar> d_inputs) override {
    if (shape_.n_outputs == 1) {
      gradient_.b3[0] = as_vector(d_outputs_).sum();
      as_vector(gradient_.w3).noalias() = hidden2_ * as_vector(d_outputs_);
    } else {
      gradient_.b3 = d_outputs_.colwise().sum().transpose();
      gradient_.w3.noalias() = d_outputs_.transpose() * hidden2_.transpose();
    }
    to_hidden2();
    gradient_.b2 = d_hidden2_.rowwise().sum();
    gradient_.w2.noalias() = d_hidden2_ * hidden1_.transpose();
    to_hidden1();
    gradient_.b1 = d_hidden1_.rowwise().sum();
    gradient_.w1.noalias() = d_hidden1_ * inputs_.transpose();
    to_inputs(d_inputs);
    update(options);
  }

  void backward_inputs(std::span<Scalar> d_inputs) override {
    to_hidden2();
    to_hidden1();
    to_inputs(d_inputs);
  }

 private:
  struct Weights {
    explicit Weights(MlpShape shape)
        : w1(shape.hidden, shape.n_features),
          w2(shape.hidden, shape.hidden),
          w3(shape.n_outputs, shape.hidden),
          b1(shape.hidden),
          b2(shape.hidden),
          b3(shape.n_outputs) {}
    Matrix w1, w2, w3;
    Vector b1, b2, b3;
  };

  template <class Array>
  static void assign(Array& to, const std::vector<double>& from) {
    for (Eigen::Index i = 0; i < to.size(); ++i) to.data()[i] = static_cast<Scalar>(from[i]);
  }
  template <class Array>
  static void extract(const Array& from, std::vector<double>& to) {
    for (Eigen::Index i = 0; i < from.size(); ++i) to[i] = static_cast<double>(from.data()[i]);
  }
  static std::span<Scalar> as_span(Matrix& matrix) noexcept {
    return {matrix.data(), static_cast<std::size_t>(matrix.size())};
  }

  /// Of one row or one column.
  static Eigen::Map<Vector> as_vector(Matrix& matrix) noexcept { return {matrix.data(), matrix.size()}; }

  /// d loss / d pre-activation of the second hidden layer.
  void to_hidden2() {
    if (shape_.n_outputs == 1) {
      d_hidden2_.noalias() = as_vector(weights_.w3) * as_vector(d_outputs_).transpose();
    } else {
      d_hidden2_.noalias() = weights_.w3.transpose() * d_outputs_.transpose();
    }
    d_hidden2_ = (hidden2_.array() > Scalar(0)).select(d_hidden2_, Scalar(0));
  }

  void to_hidden1() {
    d_hidden1_.noalias() = weights_.w2.transpose() * d_hidden2_;
    d_hidden1_ = (hidden1_.array() > Scalar(0)).select(d_hidden1_, Scalar(0));
  }

  void to_inputs(std::span<Scalar> d_inputs) {
    if (d_inputs.empty()) return;
    assert(d_inputs.size() == batch_ * shape_.n_features);
    Eigen::Map<Matrix>(d_inputs.data(), input_rows_.rows(), input_rows_.cols()).noalias() =
        d_hidden1_.transpose() * weights_.w1;
  }

  void update(const SgdOptions& options) {
    const auto lr = static_cast<Scalar>(options.lr);
    const auto decay = static_cast<Scalar>(options.weight_decay);
    weights_.w1 -= lr * (gradient_.w1 + decay * weights_.w1);
    weights_.b1 -= lr * (gradient_.b1 + decay * weights_.b1);
    weights_.w2 -= lr * (gradient_.w2 + decay * weights_.w2);
    weights_.b2 -= lr * (gradient_.b2 + decay * weights_.b2);
    weights_.w3 -= lr * (gradient_.w3 + decay * weights_.w3);
    weights_.b3 -= lr * (gradient_.b3 + decay * weights_.b3);
  }

  MlpShape shape_;
  std::size_t batch_;
  Weights weights_, gradient_;
  Matrix input_rows_;             // [batch x n_features]
  Matrix inputs_;                 // [n_features x batch]
  Matrix hidden1_, hidden2_;      // [hidden x batch], after the ReLU
  Matrix outputs_;                // [batch x n_outputs]
  Matrix d_hidden1_, d_hidden2_;  // [hidden x batch], d loss / d pre-activation
  Matrix d_outputs_;              // [batch x n_outputs]
};

}  // namespace

template <class Real>
std::unique_ptr<MlpEngine<Real>> make_eigen_engine(MlpShape shape, std::size_t batch) {
  return std::make_unique<EigenEngine<Real>>(shape, batch);
}

template std::unique_ptr<MlpEngine<float>> make_eigen_engine<float>(MlpShape, std::size_t);
template std::unique_ptr<MlpEngine<double>> make_eigen_engine<double>(MlpShape, std::size_t);

}  // namespace iclk::mlp_stats
