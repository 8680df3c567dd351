#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "host_device.hpp"
#include "iclk/core/order_parameters.hpp"

namespace iclk::device {

ICLK_HOST_DEVICE inline double larger(double a, double b) { return a > b ? a : b; }
ICLK_HOST_DEVICE inline double magnitude(double x) { return x < 0 ? -x : x; }

/// softplus and sigmoid of core/logistic.hpp.
ICLK_HOST_DEVICE inline double softplus(double x) { return larger(x, 0.0) + log1p(exp(-magnitude(x))); }
ICLK_HOST_DEVICE inline double sigmoid(double x) {
  const double e = exp(-magnitude(x));
  return (x >= 0 ? 1.0 : e) / (1.0 + e);
}

/// sum_i exp(x_i) as scale and sum. No constructor: it lives in shared memory.
struct ExponentialSum {
  double largest, sum;

  ICLK_HOST_DEVICE void clear() {
    largest = -1.7e308;
    sum = 0.0;
  }
  ICLK_HOST_DEVICE void add(double exponent) { merge({exponent, 1.0}); }
  ICLK_HOST_DEVICE void merge(const ExponentialSum& other) {
    if (!(other.sum > 0.0)) return;
    if (other.largest > largest) {
      sum = sum * exp(largest - other.largest) + other.sum;
      largest = other.largest;
    } else {
      sum += other.sum * exp(other.largest - largest);
    }
  }
  double log() const { return largest + std::log(sum); }
};

/// The sums behind the order parameters of core/order_parameters.hpp, in any number of parts that are merged.
struct OrderSums {
  ExponentialSum c1, slope, c3;  // sigma(-phi), sigma(phi) sigma(-phi), exp(-phi)
  double loss, correct, n, n_not_finite;

  ICLK_HOST_DEVICE void clear() {
    c1.clear();
    slope.clear();
    c3.clear();
    loss = correct = n = n_not_finite = 0.0;
  }
  ICLK_HOST_DEVICE void add(double phi) {
    n += 1.0;
    if (!(magnitude(phi) <= 1.7e308)) {
      n_not_finite += 1.0;
      return;
    }
    const double wrong_loss = softplus(phi);
    const double right_loss = softplus(-phi);
    loss += right_loss;
    correct += phi > 0.0 ? 1.0 : phi < 0.0 ? 0.0 : 0.5;
    c1.add(-wrong_loss);
    slope.add(-wrong_loss - right_loss);
    c3.add(-phi);
  }
  ICLK_HOST_DEVICE void merge(const OrderSums& other) {
    c1.merge(other.c1);
    slope.merge(other.slope);
    c3.merge(other.c3);
    loss += other.loss;
    correct += other.correct;
    n += other.n;
    n_not_finite += other.n_not_finite;
  }
};

template <class Sums>
struct ClearSums {
  Sums* sums;
  ICLK_HOST_DEVICE void operator()(std::uint32_t, std::uint32_t slot) const { sums[slot].clear(); }
};

/// Adds the signed logits of items first ... first + batch - 1 of each slot, as far as there are so many and they are among
/// the first n_counted, to the sums of their slots. A Slot has labels and n_items. One group per slot.
template <class Slot>
struct AddOrderSums {
  using State = OrderSums;
  static constexpr std::uint32_t kLanes = 64;

  const Slot* slots;
  const float* logits;  // [slots][batch]
  OrderSums* sums;      // [slots]
  std::uint32_t first, n_counted, batch;

  ICLK_HOST_DEVICE State partial(std::uint32_t slot, std::uint32_t lane) const {
    State state;
    state.clear();
    const std::uint32_t n = slots[slot].n_items < n_counted ? slots[slot].n_items : n_counted;
    for (std::uint32_t b = lane; b < batch && first + b < n; b += kLanes) {
      state.add(static_cast<double>(slots[slot].labels[first + b]) *
                static_cast<double>(logits[std::size_t{slot} * batch + b]));
    }
    return state;
  }
  ICLK_HOST_DEVICE void finish(std::uint32_t slot, const State& state) const { sums[slot].merge(state); }
};

/// c1 = NaN where a logit was not finite.
inline OrderParameters order_parameters_of(const OrderSums& sums) {
  OrderParameters result;
  if (sums.n_not_finite > 0 || !(sums.n > 0)) {
    result.c1 = std::numeric_limits<double>::quiet_NaN();
    return result;
  }
  const double log_n = std::log(sums.n);
  result.log_c1 = sums.c1.log() - log_n;
  result.log_c3 = sums.c3.log() - log_n;
  result.c1 = std::exp(result.log_c1);
  result.c2 = std::exp(sums.slope.log() - sums.c1.log());
  result.c3 = std::exp(result.log_c3);
  result.loss = sums.loss / sums.n;
  result.accuracy = sums.correct / sums.n;
  return result;
}

}  // namespace iclk::device
