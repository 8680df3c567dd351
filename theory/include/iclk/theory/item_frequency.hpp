#pragma once

#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "iclk/core/order_parameters.hpp"
#include "iclk/theory/memorization_family.hpp"

namespace iclk::theory {

/// How often each item is the target: probabilities p_f that sum to one, in a list or by Zipf's law.
///
/// Zipf's law p_f = f^-alpha/Z, f = 1 ... K, is kept as a formula, so that K may be anything up to infinity
/// (alpha > 1): sums over f are taken term by term up to f = 20 000 and by the Euler-Maclaurin formula beyond.
class ItemFrequencies {
 public:
  /// One positive weight per item, normalized here; at least one. Throws Error naming the bad weight.
  static ItemFrequencies list(std::span<const double> weights);
  static ItemFrequencies uniform(double n_items) { return zipf(n_items, 0.0); }
  /// n_items: a whole number >= 1 of at most 2^53, or infinity when exponent > 1; exponent in [0, 100]. Throws Error.
  static ItemFrequencies zipf(double n_items, double exponent);

  double n_items() const noexcept { return n_items_; }      ///< K; may be infinite
  double exponent() const noexcept { return exponent_; }    ///< alpha; 0 for a list
  double normalization() const noexcept { return total_; }  ///< Z: zeta(alpha) for K = infinity; 1 for a list
  bool is_list() const noexcept { return !listed_.empty(); }
  std::span<const double> listed() const noexcept { return listed_; }  ///< [K] probabilities of a list, else empty
  double probability(double rank) const;                               ///< p_f, f = 1 ... K

 private:
  ItemFrequencies() = default;
  std::vector<double> listed_;
  double n_items_ = 0.0, exponent_ = 0.0, total_ = 1.0;
};

/// c1(t) when an item of probability p has memorized as `item` at the time p t (independent exposure):
///
///     c1(t) = sum_f p_f g(p_f t),     g(t) = family_c1(item, t)
///
/// The horizon of `item` is that of an item which is always the target, T_K/K for uniform frequencies with the law T_K.
///
/// Source   after "memorization scaling laws" (the paper names Zipf's law, without a formula); docs/equations.md.
/// Valid    items do not share weights: what one learns changes no other.
/// Takes    time >= 0.
/// Throws   Error for a bad family or time.
double frequency_c1(const ItemFrequencies& frequencies, const MemorizationFamily& item, double time);

/// I_K(t) = 2 integral of that c1 = sum_f I_item(p_f t), and what is left of it until t = infinity.
///
/// Source   Eq. 10 (I_K), docs/equations.md.
/// Checked  [eq10]
double frequency_integral(const ItemFrequencies& frequencies, const MemorizationFamily& item, double time);
double frequency_integral_left(const ItemFrequencies& frequencies, const MemorizationFamily& item, double time);

/// I_K(infinity) = K I_item(infinity) for every distribution on K items: skew delays memorization and acquisition, it
/// does not decide between them. Infinite for K = infinity.
///
/// Source   Eq. 12.
/// Differs  the paper says that Zipf exponents alpha <= 1 make I_K diverge. For finite K none does; for K = infinity
///          every alpha does.
/// Checked  [eq12]
double frequency_total_integral(const ItemFrequencies& frequencies, const MemorizationFamily& item);

/// The time at which I_K(t) reaches `integral` >= 0: t_ICL, with the integral that acquisition needs. Empty when
/// I_K(infinity) does not exceed it; infinite when the time exceeds the range of doubles.
std::optional<double> time_of_frequency_integral(const ItemFrequencies& frequencies, const MemorizationFamily& item,
                                                 double integral);

/// The averages that enter the theory, each item with its probability as weight and the logit that belongs to its c1:
/// c1 = <g>, c2 = <g (1 - g)>/c1, c3 = <g/(1 - g)>, and loss and accuracy of the MLP.
///
/// Source   Eq. 29, Eq. 30, Eq. 15, with weights.
/// Checked  [eq15] [eq29] [eq30]
OrderParameters frequency_order_parameters(const ItemFrequencies& frequencies, const MemorizationFamily& item,
                                           double time);

/// Zipf's law on infinitely many items at late times, T = horizon of `item`, alpha > 1:
///
///     I(t) = T [M (t/(T zeta(alpha)))^(1/alpha) - g/2],    c1(t) = dI/dt / 2,
///     M = (2/T) int g(t) (t/T)^(-1/alpha) dt,  Gamma(1 - 1/alpha) for the exponential family
///
/// with g = I_item(infinity)/T: I grows without bound, as t^(1/alpha).
struct ZipfLimit {
  double coefficient = 0.0;  ///< M
  double c1 = 0.0;
  double integral = 0.0;  ///< [time]
};

/// Source   not in the paper; docs/equations.md derives it.
/// Valid    t >> T zeta(alpha): the most frequent item is memorized. For the exponential family what is left out falls
///          faster than any power of t; a law with c1 ~ t^-p leaves terms of order t^(1-p).
/// Takes    exponent alpha > 1; a family with M and g finite: p > 1, m > 1.
/// Throws   Error naming the bad argument.
ZipfLimit zipf_limit(double exponent, const MemorizationFamily& item, double time);

/// Its inverse, t = T zeta(alpha) [(X/T + g/2)/M]^alpha.
double zipf_limit_time(double exponent, const MemorizationFamily& item, double integral);

}  // namespace iclk::theory
