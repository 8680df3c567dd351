#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "iclk/theory/gradient_flow.hpp"

namespace iclk::theory {

/// Signed logits of the MLP over the data set, with optional weights: a list, or a histogram.
struct LogitList {
  std::vector<double> signed_logits = {0.0};  ///< phi: [n], n >= 1, finite; {0} is an untrained MLP
  std::vector<double> weights;                ///< [n] non-negative with a positive sum, or empty for equal ones
};
void validate(const LogitList& logits);  ///< throws Error naming the bad entry

/// A loss [nats] and its gradient in the attention strengths.
struct LossAndGradient {
  double loss = 0.0;
  double d_w = 0.0;
  double d_beta = 0.0;
};

/// The tower of losses, from the expansion near the start to the exact one.
enum class LossModel {
  leading,             ///< Eq. 6: second order in w, exp(beta) << N
  gaussian,            ///< Eq. 5: the number of labels of each kind is a normal variable
  gaussian_symmetric,  ///< the same with a positive measure for the other N - 1 labels
  binomial,            ///< Eq. 21: exact
  balanced,            ///< Eq. 9: equally many labels of each kind, first order in w
  balanced_exact,      ///< the same, exact
};
std::string_view name(LossModel model) noexcept;
std::optional<LossModel> loss_model(std::string_view name) noexcept;  ///< the model of that name, or nothing

/// True for the models that hold through acquisition. They depend on all of P+(phi), the others on c1 and c2 only.
constexpr bool is_full(LossModel model) noexcept { return model != LossModel::leading && model != LossModel::balanced; }

/// What the contexts are made of, and how closely they are described.
struct ContextModel {
  LossModel model = LossModel::binomial;
  double n_context = 100.0;  ///< N, labelled exemplars; >= 2, for the binomial model a whole number up to 1e6
  /// Variance of the sum of the labels over N: the share of contexts with random labels, the others being balanced. In
  /// [0, 1]; 1 for random labels, and not used by the two balanced models.
  double label_variance = 1.0;
  std::optional<double> n_items = {};   ///< K, if the extra copies in finite data shall count; >= 2
  bool balanced_items = false;          ///< exactly half of the K items have each label; full models, with n_items
  std::optional<double> item_dim = {};  ///< d, if the overlap of Gaussian items N(0, 1/d) shall count; >= 1
};
void validate(const ContextModel& context);  ///< throws Error naming the bad field

class ContextAverage;

/// A loss of the minimal model as a function of the two attention strengths, for an MLP with given logits.
///
///     L(w, beta) = E < sp(-phi - w X) >,   X = (q + S)/(q + N - 1),   q = exp(beta)
///
/// with S the sum of the other N - 1 labels. What S is distinguishes the models:
///
///     binomial            a sum of N - 1 independent +-1                            Eq. 21, an identity
///     gaussian            eta sqrt(N) - 1 with weight 1 + eta/sqrt(N), eta normal   Eq. 5
///     gaussian_symmetric  eta sqrt(N - 1)
///     balanced_exact      -1
///     leading, balanced   L0 - (c1/N)[w (q - 1 + v) - v c2 w^2/2], v = 1 and 0      Eq. 6, Eq. 9
///
/// A label variance v < 1 mixes random contexts (share v) with balanced ones.
///
/// Finite K: the number m of further copies of the target is Binomial(N - 1, 1/K), and repetitions among the others
/// widen S, so that X = ((1 + m) q + S_m)/((1 + m) q + N - 1 - m) with var S_m = n (1 + (n - 1)/(K - 1)),
/// n = N - 1 - m. Near the start everything is faster by the factor 1 + (N - 1)/K, which the leading models use.
/// With balanced_items each other item has the target's label a little less often than not: S_m has the mean
/// -n/(K - 1), and the variance n (1 - 1/(K - 1)^2). Summed over m the signal is q + (q - 1)(N - 1)/K: further copies
/// help beta, but not w. A network that has learned the share of each label by its bias is in the same position.
///
/// Finite d: with r = |x|^2 of the target, chi-squared, the copy has the weight exp(beta r) and the others
/// exp(beta^2 r/(2 d)) on average, with a spread that widens S by another exp(beta^2 r/(2 d)). Near the start the
/// signal q/N becomes (q/N) exp(beta^2/(2 d)), which the leading models use.
///
/// Source   Eq. 4, Eq. 5, Eq. 6, Eq. 9, Eq. 21, Eq. 28; finite K and d are derived in docs/equations.md.
/// Differs  Eq. 21 is an identity under the symmetry of the two labels, and its weights simplify to those of N - 1
///          coins; terms with a probability below 1e-18 of the largest are left out. The integral of Eq. 5 is a
///          trapezoidal sum whose step follows the distance pi D/(|w| sqrt N) of the nearest singularity, so that it is
///          exact in double.
/// Valid    orthonormal items and one copy unless K and d are given; then beta^2 << 2 d ln N.
/// Throws   Error for bad logits or a bad context model.
/// Checked  [eq4] [eq5] [eq6] [eq9] [eq21] [eq28]
class Landscape {
 public:
  explicit Landscape(const ContextModel& context, LogitList logits = {});

  /// A leading model from c1, c2 and the loss of the MLP alone, where the logits are not known. Throws Error for a full
  /// model, c1 outside (0, 1] or c2 outside [0, 1].
  Landscape(const ContextModel& context, double c1, double c2, double mlp_loss);

  double loss(FlowState state) const;
  LossAndGradient loss_and_gradient(FlowState state) const;

  /// -dL/dw and -dL/dbeta alone, without the logarithms of the loss: the right-hand side of the flow.
  FlowState velocity(FlowState state) const;

  /// The speed of memorization relative to that of the MLP alone, E<sigma(-phi - w X)>/<sigma(-phi)>: the labels that
  /// attention gets right teach the MLP nothing. 1 for the leading models, which do not contain it.
  double memorization_speed(FlowState state) const;

  const ContextModel& context() const noexcept { return context_; }
  const LogitList& logits() const noexcept { return logits_; }  ///< weights of sum 1; empty where not known

 private:
  ContextModel context_;
  LogitList logits_;
  double c1_ = 0.0, c2_ = 0.0, mlp_loss_ = 0.0;
  std::shared_ptr<const ContextAverage> average_;  // of the full models; never changes once made
};

/// The loss near the start, to second order in w.
///
///     L = L0 - (c1/N)(w exp(beta) - (c2/2) w^2)
///
/// Source   Eq. 6, Eq. 28.
/// Valid    |w| << sqrt(N), exp(beta) << N, |w| exp(beta) << N.
/// Takes    state; n_context >= 2; c1, c2, mlp_loss = <sp(-phi)> of the MLP alone.
/// Checked  [eq6]
double quadratic_loss(FlowState state, double n_context, double c1, double c2, double mlp_loss);

/// The loss near the start when every context holds equally many labels of each kind.
///
///     L = L0 - (c1/N) w (exp(beta) - 1)
///
/// Source   Eq. 9.
/// Valid    |w| (exp(beta) - 1) << N.
/// Checked  [eq9]
double balanced_loss(FlowState state, double n_context, double c1, double mlp_loss);

/// The loss on balanced contexts, exactly: < sp(-phi - w (q - 1)/(q + N - 1)) >.
///
/// Source   Eq. 9, before its expansion.
/// Checked  [eq9]
double balanced_loss_exact(FlowState state, double n_context, const LogitList& logits = {});

}  // namespace iclk::theory
