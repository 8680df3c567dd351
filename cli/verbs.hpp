#pragma once

#include <functional>

#include "verb_options.hpp"

namespace iclk::cli {

/// What a verb does once its options are parsed. Bad input is thrown as iclk::Error.
using Action = std::function<Exit()>;

/// Each declares its options and returns its action. One source file per verb: cmd_<verb>.cpp.
Action declare_train(VerbOptions& options);
Action declare_measure(VerbOptions& options);
Action declare_predict(VerbOptions& options);
Action declare_acquire(VerbOptions& options);
Action declare_flow(VerbOptions& options);
Action declare_landscape(VerbOptions& options);
Action declare_ensemble(VerbOptions& options);
Action declare_transience(VerbOptions& options);
Action declare_loss_relation(VerbOptions& options);
Action declare_simulate(VerbOptions& options);
Action declare_sweep_run(VerbOptions& options);
Action declare_sweep_status(VerbOptions& options);
Action declare_sweep_collect(VerbOptions& options);
Action declare_fit_acquisition(VerbOptions& options);
Action declare_fit_bimodality(VerbOptions& options);
Action declare_fit_power(VerbOptions& options);
Action declare_fit_threshold(VerbOptions& options);
Action declare_figure(VerbOptions& options);
Action declare_report(VerbOptions& options);
Action declare_info(VerbOptions& options);

}  // namespace iclk::cli
