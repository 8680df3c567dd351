#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "iclk/core/order_parameters.hpp"
#include "iclk/figures/figure_tables.hpp"
#include "iclk/figures/run_folder.hpp"
#include "iclk/theory/gradient_flow.hpp"
#include "iclk/theory/transience_prediction.hpp"
#include "run_series.hpp"

// What the theory says of a run: from its own settings and a memorization curve of its network.
namespace iclk::figures {

/// Curves of the network of a run.
struct NetworkCurves {
  std::vector<MeasuredCurve> curves;

  NetworkCurves() = default;
  /// Files that cannot be read are added to the folder's problems where the options say so.
  NetworkCurves(const std::filesystem::path& data, const MeasuredRun& run, const FigureOptions& options,
                MeasuredRuns& folder);

  /// Those of one K.
  std::vector<const MeasuredCurve*> of(double n_items) const;
};

/// Whether all runs have one start, so that one course is that of all.
bool have_one_start(const RunList& runs);

/// Of lists of runs that differ in settings besides N and K, the one to draw over time: the least decay, one start,
/// most acquired runs whose course theory can draw (K infinite, or curves of their network and K), most acquired runs.
RunList series_to_draw(const std::vector<RunList>& series, const std::filesystem::path& data,
                       const FigureOptions& options, MeasuredRuns& folder);

struct CoursePoint {
  double time = 0.0;  ///< [time]
  double w = 0.0;
  double beta = 0.0;    ///< may be infinite
  double log_c3 = 0.0;  ///< of the MLP as far as it has come by then
};

/// Gradient flow of attention on the exact loss in a closed loop with memorization.
struct Course {
  double n_context = 2.0;                  ///< N of the theory, without the target
  double start_sd = 0.0;                   ///< standard deviation of the untrained MLP's logits, sqrt(2 ln c3)
  std::vector<CoursePoint> points;         ///< rising times; ends early where the curve and its tail end
  std::optional<double> t_attention_half;  ///< half of the attention on the copy [time]
};

/// Start of a run: its first measurement, or where it has none its settings.
theory::FlowState start_of(const MeasuredRun& run);

/// The flow from `start` with the run's N and decays until t_end. Without a curve the MLP learns nothing, as with K
/// infinite. Until half of the attention is on the copy, and altogether where beta decays too, it is `attention_flow`;
/// from there `predict_transience`, which goes on beyond the end of the curve, until w has fallen to 0.02.
///
/// Throws   Error as these do.
Course course_of(const MeasuredRun& run, theory::FlowState start, const OrderParameterCurves* curve, double t_end);

/// ICL accuracies of `t_accuracy_fade`: in-context learning is lost where it falls to the first after it was attained,
/// at the second or more.
inline constexpr double kLostAccuracy = 0.90, kAttainedAccuracy = 0.99;

/// ICL accuracy at a point of the course. The MLP's logits on novel items are normal; their variance is that of the
/// untrained MLP and the square of the logits -ln c3 of trained items.
double accuracy_at(const Course& course, const CoursePoint& point);

/// When the accuracy of a course first reaches 95 %, and when it falls to 90 % after it was 99 % or more: t_icl and
/// t_accuracy_fade of runs.
std::optional<double> acquisition_time(const Course& course);
std::optional<double> accuracy_loss_time(const Course& course);
/// When w of a course falls to 1.
std::optional<double> fade_time(const Course& course);

/// What the theory says of a run on balanced contexts with K infinite, at the times of its measurements.
struct BalancedCourse {
  std::vector<std::size_t> rows;  ///< of the run's measurements
  std::vector<double> accuracy;   ///< [rows] of novel items
};

/// Why there is no such course for the run: its model, its settings, or measurements that it does not have. Empty where
/// there is one.
std::string no_balanced_course(const MeasuredRun& run);

/// Gradient flow on the exact loss of balanced contexts with c1 = 1/2 from the measured start of the run, and
/// balanced_attention_accuracy along it. The variance of the MLP's logits on novel items, of which with K infinite c1
/// and c3 are averages, is that of the run: 2 (ln c3 + 2 - 4 c1) for small logits.
///
/// Takes    a run with an empty no_balanced_course.
/// Throws   Error as attention_flow does.
BalancedCourse balanced_course_of(const MeasuredRun& run);

/// Settings of `predict_transience` for a run: its N and start, and an end after which nothing counts as fading.
theory::TransienceOptions transience_options(const MeasuredRun& run, double t_end);

}  // namespace iclk::figures
