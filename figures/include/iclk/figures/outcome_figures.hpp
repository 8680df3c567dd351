#pragma once

#include <filesystem>

#include "iclk/figures/figure_tables.hpp"

// Figures of how training runs ended. All take a results folder (read_run_folder), and the lines of theory from the
// memorization curves of the same network in it (curves_like) and the settings of the runs. Of runs with different
// settings the largest set of equal ones is drawn, for each model; the caption counts the others. All throw Error for
// bad files, and naming the command that makes them when the runs they need are missing.
namespace iclk::figures {

/// Figs. 2b and 2c: accuracy of in-context and of in-weights learning at the end of every run against K, one-layer
/// transformer. Fig. 3a: both, minimal model. At one N: options.n_context where there are such runs.
///
/// Tables   "" one row per run; "mean" one per K; "threshold" K* predicted from the curves with its interval.
/// Source   Fig. 2b, Fig. 2c, Fig. 3a, Eq. 12, Eq. 13.
/// Differs  The paper draws no prediction here.
FigureTables fig2b_tables(const std::filesystem::path& data, const FigureOptions& options = {});
FigureTables fig2c_tables(const std::filesystem::path& data, const FigureOptions& options = {});
FigureTables fig3a_tables(const std::filesystem::path& data, const FigureOptions& options = {});

/// Fig. 6a: K*, the number of items at which half of the runs acquire in-context learning, against N.
///
/// Tables   "" one row per model and N: K* with its interval, or the bound where all or none of the runs acquire; "fit"
///          the power law through the runs of one model; "theory" K* from the curves at four levels, "scaling" the
///          exponents, measured and predicted.
/// Source   Fig. 6a, Eq. 12, Eq. 13.
/// Differs  The paper's K* is the middle of a sigmoid through accuracies and has no interval; here it is the probit
///          threshold of the runs' outcomes. Theory gives K* itself, not the exponent only.
FigureTables fig6a_tables(const std::filesystem::path& data, const FigureOptions& options = {});

/// Fig. 6b: t_ICL of every run with K infinite against N, its median with interval, and the theory of the minimal
/// model.
///
/// Tables   "" one row per run; "median" per model and N; "fit" power laws through the medians; "theory" t_ICL of the
///          exact loss with its 5 and 95 % quantiles over starts, of Eqs. 7-8 and to leading order.
/// Source   Fig. 6b, Eq. 11, Eq. 21.
/// Differs  Medians are Kaplan-Meier's, so that runs which had not acquired when they ended count.
FigureTables fig6b_tables(const std::filesystem::path& data, const FigureOptions& options = {});

/// Fig. A.5: the same of the two-layer transformer.
FigureTables figA5_tables(const std::filesystem::path& data, const FigureOptions& options = {});

/// Fig. 6c with its lower panel: where the folder holds runs, the histogram of t_ICL at the N and K where most runs of
/// equal settings stand and some but not all acquire; the upper panel is then drawn for their N, start and network, on
/// the curve with the K nearest to theirs. Without such runs it is fig6c_tables of the folder's curves, and of none
/// where `data` is empty.
///
/// Tables   those of fig6c_tables; "outcomes" the bins with the measured and the predicted number of runs, the last row
///          the runs that never acquire.
/// Source   Fig. 6c, Eq. 10, Eq. 12.
FigureTables fig6c_folder_tables(const std::filesystem::path& data, const FigureOptions& options = {});

/// Fig. 6e: share of runs that acquire against K on random and on balanced contexts, with what the starts predict.
///
/// Tables   "" one row per kind of context and K; "theory" both shares over K.
/// Source   Fig. 6e, Eq. 9, Eq. 12.
/// Differs  A run counts when it reaches 95 % accuracy, not when it ends above 75 %. The paper has no prediction.
FigureTables fig6e_tables(const std::filesystem::path& data, const FigureOptions& options = {});

/// Fig. A.4: histograms of t_ICL with K infinite, a panel for each of at most six N, with the theory's share in each
/// bin.
///
/// Tables   "" the bins, a block per N; "median" per N, measured and predicted.
/// Source   Fig. A.4, Eq. 21.
/// Differs  The paper shows no prediction.
FigureTables figA4_tables(const std::filesystem::path& data, const FigureOptions& options = {});

/// Share of the runs with K infinite that have not acquired by t, for each of at most six N, with the theory's.
///
/// Tables   "" Kaplan-Meier steps with intervals, two rows per step, a block per N; "censored" runs that ended without;
///          "theory" the share of the starts.
/// Source   Eq. 21 over random starts.
FigureTables survival_tables(const std::filesystem::path& data, const FigureOptions& options = {});

/// Predicted against measured: K* of every N, the median t_ICL of every N with K infinite, and the median time of half
/// of the attention of every N and finite K between those of the curves.
///
/// Tables   "" thresholds and "time" acquisition times, a block for each model; "half" the times at finite K.
/// Source   Eq. 12, Eq. 21.
/// Differs  At finite K what the MLP answers on novel items delays 95 % accuracy; half of the attention does not know
///          it.
FigureTables diagonal_tables(const std::filesystem::path& data, const FigureOptions& options = {});

/// Fig. A.7: ICL accuracy at the end of every run against K, a panel for each of at most six N, with the fitted
/// sigmoid.
///
/// Tables   "" one row per run, a block per N; "sigmoid" the fitted lines; "threshold" K* of the sigmoid and predicted.
/// Source   Fig. A.7, Eq. 13.
FigureTables figA7_tables(const std::filesystem::path& data, const FigureOptions& options = {});

}  // namespace iclk::figures
