#pragma once

#include <filesystem>

#include "iclk/figures/figure_tables.hpp"

// Figures of training runs over time and of what becomes of in-context learning. Each takes any results folder that
// read_run_folder reads, and draws theory from the runs' own settings and the memorization curves of their network in
// the same folder (curves_like); without such curves it draws the runs alone and says so.
namespace iclk::figures {

/// Fig. 2d and Fig. 3b: ICL accuracy against SGD steps of single runs, a plateau and then a fast rise.
///
/// Drawn are the runs with the least decay of attention, of the network with most runs that acquire: up to five
/// (N, K), up to twelve seeds of each.
///
/// Tables   "" group, run, n_context, n_items (empty: infinite), seed, iteration, time, icl_accuracy; a line per run;
///          "theory" the same of the flow on the exact loss in a closed loop, one line per (N, K).
/// Source   Fig. 2d, Fig. 3b, Eq. 21.
/// Differs  the line of theory is ours. It exists for the minimal model only, whose start is known.
/// Throws   Error when the folder has no such run with measurements.
FigureTables fig2d_tables(const std::filesystem::path& data, const FigureOptions& options = {});
FigureTables fig3b_tables(const std::filesystem::path& data, const FigureOptions& options = {});

/// Fig. A.8: ICL accuracy of runs on contexts with equally many labels of each kind: fast, halfway, or never.
///
/// Drawn is the (model, N, K) with most runs, up to forty seeds.
///
/// Tables   "" as for Fig. 2d; the groups are runs that end above 95 %, between 75 and 95 %, and below; "theory" flow
///          on the exact balanced loss from the measured start of up to two runs of each, and its accuracy: minimal
///          model, K infinite, balanced exemplars.
/// Source   Fig. A.8, Eq. 9.
/// Differs  the lines of theory are ours.
/// Throws   Error when the folder has no such run with measurements.
FigureTables figA8_tables(const std::filesystem::path& data, const FigureOptions& options = {});

/// Fig. 2e and Fig. 3c: ICL and IWL accuracy of runs that acquire in-context learning and lose it again.
///
/// Drawn are the seeds of one setting: that with most runs that lose it, and of equals the one with the least decay.
///
/// Tables   "" run, seed, iteration, time, icl_accuracy, iwl_accuracy; a line per run; "theory" iteration, time, w,
///          beta, c3, icl_accuracy of the closed loop on up to three curves of this K; "marks" what is predicted and
///          measured when.
/// Source   Fig. 2e, Fig. 3c, Eq. 44.
/// Differs  the lines of theory are ours (minimal model only).
/// Throws   Error when the folder has no such run with measurements.
FigureTables fig2e_tables(const std::filesystem::path& data, const FigureOptions& options = {});
FigureTables fig3c_tables(const std::filesystem::path& data, const FigureOptions& options = {});

/// Fig. 6d: ICL loss against IWL loss after acquisition.
///
/// Drawn are runs that lose in-context learning again: per model the settings with most of them, up to four decays.
///
/// Tables   "" panel, group, model, run, seed, decay, iteration, time, icl_loss, iwl_loss; a block per run; "course"
///          the losses along the predicted course with attention spread evenly over the context; "relation" Eqs. 46 and
///          47 (form 1) and the exact two-point relation (form 2).
/// Source   Fig. 6d, Eq. 16, Eq. 46, Eq. 47.
/// Differs  the paper draws Eq. 16 alone.
/// Throws   Error when the folder has no such run with measurements.
FigureTables fig6d_tables(const std::filesystem::path& data, const FigureOptions& options = {});

/// Fig. A.6: SGD steps until the ICL accuracy is lost, against the decay of attention, with runs that never attain it
/// and runs that still have it.
///
/// Drawn are, per model, the runs that differ in the decay alone and have most different ones.
///
/// Tables   "" panel, model, run, n_context, n_items, seed, decay, fate, and the SGD steps in a column per fate;
///          "theory" what the closed loop predicts (minimal model).
/// Source   Fig. A.6, Eq. 44, Eq. 45.
/// Differs  the lines of theory are ours.
/// Throws   Error when no model has runs at two decays.
FigureTables figA6_tables(const std::filesystem::path& data, const FigureOptions& options = {});

/// Transience in a closed loop: w against time at several lambda_w, with the w_tr that it follows, and the time of
/// fading against lambda_w. Not in the paper.
///
/// Tables   "" group, run, seed, lambda_w, iteration, time, w of runs; "theory" the closed loop with beta, c3 and w_tr;
///          "times" fade times of runs; "line" the predicted ones with the range over curves, and the time at which the
///          MLP alone would have come as far.
/// Source   Eq. 44, Eq. 45.
/// Takes    runs of the minimal model with lambda_w and the memorization curves of their network; without such runs
///          curves of any network, N and the start of the options.
/// Throws   Error when there are no curves.
FigureTables fade_tables(const std::filesystem::path& data, const FigureOptions& options = {});

/// Measured beta(t) and w(t) of the minimal model on the trajectories of theory for the same start, N and K. Not in the
/// paper.
///
/// Tables   "" group, n_context, n_items, n_runs, iteration, time, and median, lowest and highest of beta and w over
///          the runs of equal settings and start; "theory" the exact loss in a closed loop (form 1) and Eqs. 7-8 (form
///          2).
/// Source   Eq. 21, Eq. 7, Eq. 8.
/// Throws   Error when the folder has no measured run of the minimal model on random labels.
FigureTables attention_tables(const std::filesystem::path& data, const FigureOptions& options = {});

/// The phase diagram of phase_tables with measured runs as marks: of the minimal model with finite K and no decay,
/// those of one network and start at most different (N, K), if the folder holds curves of that network at two K or
/// more. The diagram is then drawn for their start. Without such runs, phase_tables of the folder's curves and the
/// options.
///
/// Tables   as phase_tables; "runs" n_context, n_items, n_runs, n_acquired, share, and the shade of that share.
/// Source   Eq. 12, Eq. 13.
/// Takes    data: a results folder, or an empty path for phase_tables without curves.
FigureTables phase_of_runs_tables(const std::filesystem::path& data, const FigureOptions& options = {});

}  // namespace iclk::figures
