// The readable backend: it defines what a training step computes. Every other backend is tested against it.

#include "backend_eigen.hpp"

#define EIGEN_DONT_PARALLELIZE  // one run uses one thread
#include <Eigen/Dense>

#include <algorithm>
#include <vector>

#include "iclk/core/logistic.hpp"

namespace iclk::mlp_stats {
namespace {

template <class Scalar>
class EigenBackend final : public Backend {
  using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Vector = Eigen::Matrix<Scalar, Eigen::Dynamic, 1>;

 public:
  EigenBackend(const ItemDataset& dataset, MlpShape shape, std::size_t batch)
      : dataset_(dataset),
        shape_(shape),
        batch_(batch),
        weights_(shape),
        gradient_(shape),
        inputs_(shape.n_features, batch),
        hidden1_(shape.hidden, batch),
        hidden2_(shape.hidden, batch),
        logits_(batch),
        d_hidden1_(shape.hidden, batch),
        d_hidden2_(shape.hidden, batch),
        d_logits_(batch) {}

  void upload(const MlpParameters& parameters) override {
    assign(weights_.w1, parameters.w1);
    assign(weights_.b1, parameters.b1);
    assign(weights_.w2, parameters.w2);
    assign(weights_.b2, parameters.b2);
    assign(weights_.w3, parameters.w3);
    weights_.b3 = static_cast<Scalar>(parameters.b3);
  }

  MlpParameters download() const override {
    MlpParameters parameters(shape_);
    extract(weights_.w1, parameters.w1);
    extract(weights_.b1, parameters.b1);
    extract(weights_.w2, parameters.w2);
    extract(weights_.b2, parameters.b2);
    extract(weights_.w3, parameters.w3);
    parameters.b3 = static_cast<double>(weights_.b3);
    return parameters;
  }

  void train(std::span<const std::uint32_t> batches, const SgdOptions& options) override {
    for (std::size_t first = 0; first < batches.size(); first += batch_) {
      const auto items = batches.subspan(first, batch_);
      gather(items);
      forward();
      backward(items);
      update(options);
    }
  }

  void logits(std::span<double> logits) override {
    std::vector<std::uint32_t> items(batch_);
    for (std::size_t first = 0; first < dataset_.n_items; first += batch_) {
      const std::size_t count = std::min(batch_, dataset_.n_items - first);
      for (std::size_t b = 0; b < batch_; ++b) {
        items[b] = static_cast<std::uint32_t>(first + std::min(b, count - 1));  // the last batch repeats its last item
      }
      gather(items);
      forward();
      for (std::size_t b = 0; b < count; ++b) logits[first + b] = static_cast<double>(logits_[b]);
    }
  }

 private:
  struct Weights {
    explicit Weights(MlpShape shape)
        : w1(shape.hidden, shape.n_features),
          w2(shape.hidden, shape.hidden),
          b1(shape.hidden),
          b2(shape.hidden),
          w3(shape.hidden) {}
    Matrix w1, w2;
    Vector b1, b2, w3;
    Scalar b3 = 0;
  };

  template <class Array>
  static void assign(Array& to, const std::vector<double>& from) {
    for (Eigen::Index i = 0; i < to.size(); ++i) to.data()[i] = static_cast<Scalar>(from[i]);
  }
  template <class Array>
  static void extract(const Array& from, std::vector<double>& to) {
    for (Eigen::Index i = 0; i < from.size(); ++i) to[i] = static_cast<double>(from.data()[i]);
  }

  void gather(std::span<const std::uint32_t> items) {
    for (std::size_t b = 0; b < batch_; ++b) {
      const float* row = dataset_.features.data() + items[b] * shape_.n_features;
      for (std::size_t d = 0; d < shape_.n_features; ++d) inputs_(d, b) = static_cast<Scalar>(row[d]);
    }
  }

  void forward() {
    hidden1_.noalias() = weights_.w1 * inputs_;
    hidden1_ = (hidden1_.colwise() + weights_.b1).cwiseMax(Scalar(0));
    hidden2_.noalias() = weights_.w2 * hidden1_;
    hidden2_ = (hidden2_.colwise() + weights_.b2).cwiseMax(Scalar(0));
    logits_.noalias() = hidden2_.transpose() * weights_.w3;
    logits_.array() += weights_.b3;
  }

  /// Gradient of the mean loss (1/B) sum_b sp(-y_b z_b): d loss/d z_b = -y_b sigma(-y_b z_b) / B.
  void backward(std::span<const std::uint32_t> items) {
    for (std::size_t b = 0; b < batch_; ++b) {
      const double label = dataset_.labels[items[b]];
      d_logits_[b] =
          static_cast<Scalar>(-label * sigmoid(-label * static_cast<double>(logits_[b])) / static_cast<double>(batch_));
    }
    gradient_.b3 = d_logits_.sum();
    gradient_.w3.noalias() = hidden2_ * d_logits_;

    d_hidden2_.noalias() = weights_.w3 * d_logits_.transpose();
    d_hidden2_ = (hidden2_.array() > Scalar(0)).select(d_hidden2_, Scalar(0));
    gradient_.b2 = d_hidden2_.rowwise().sum();
    gradient_.w2.noalias() = d_hidden2_ * hidden1_.transpose();

    d_hidden1_.noalias() = weights_.w2.transpose() * d_hidden2_;
    d_hidden1_ = (hidden1_.array() > Scalar(0)).select(d_hidden1_, Scalar(0));
    gradient_.b1 = d_hidden1_.rowwise().sum();
    gradient_.w1.noalias() = d_hidden1_ * inputs_.transpose();
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

  const ItemDataset& dataset_;
  MlpShape shape_;
  std::size_t batch_;
  Weights weights_, gradient_;
  Matrix inputs_;                 // [n_features x batch]
  Matrix hidden1_, hidden2_;      // [hidden x batch], after the ReLU
  Vector logits_;                 // [batch]
  Matrix d_hidden1_, d_hidden2_;  // [hidden x batch], d loss / d pre-activation
  Vector d_logits_;               // [batch]
};

}  // namespace

std::unique_ptr<Backend> make_eigen_backend(Precision precision, const ItemDataset& dataset, MlpShape shape,
                                            std::size_t batch) {
  if (precision == Precision::float64) return std::make_unique<EigenBackend<double>>(dataset, shape, batch);
  return std::make_unique<EigenBackend<float>>(dataset, shape, batch);
}

}  // namespace iclk::mlp_stats
