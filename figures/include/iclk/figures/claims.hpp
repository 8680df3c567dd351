#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/core/estimate.hpp"
#include "iclk/figures/figure_tables.hpp"
#include "iclk/figures/prediction.hpp"
#include "iclk/figures/run_folder.hpp"

namespace iclk::figures {

/// Memorization curves of one network, and what they predict.
struct CurveSet {
  std::string network;                   ///< "hidden 512, dim 63, ...", or the folder of curves that do not say
  std::filesystem::path folder;          ///< where its first curve lies
  std::string pattern;                   ///< of file names, "*.curves.csv" or "*.csv"
  std::optional<Prediction> prediction;  ///< empty when it could not be made; `problem` says why
  std::string problem;
  std::vector<MeasuredCurve> curves;
};

/// All that a results folder holds, as far as it can be read.
struct Results {
  std::filesystem::path data;
  std::vector<CurveSet> networks;  ///< the widest network first, then by number of curves
  std::vector<MeasuredRun> runs;
  std::vector<std::string> problems;            ///< one line per file that was left out: file:line: field: problem
  std::vector<std::filesystem::path> left_out;  ///< those files
};

/// Reads a results folder without stopping at files that cannot be read.
///
/// Curves are `*.curves.csv` in the folder and up to three folders below; where there are neither these nor runs, every
/// `*.csv` of the folder is read as a curve file from elsewhere. Runs are those of read_run_folder.
///
/// Throws   Error when the folder is missing or cannot be listed, and when nothing in it could be read.
Results read_results(const std::filesystem::path& data, const FigureOptions& options = {});

/// What a claim says of the measured number.
enum class ClaimRule {
  meets,   ///< its 95 % interval reaches the range that the prediction allows
  inside,  ///< its 95 % interval lies in that range as a whole
};

enum class ClaimVerdict {
  holds,
  fails,       ///< the interval lies outside the range as a whole
  not_tested,  ///< no data, or the interval does not decide
};
std::string_view name(ClaimVerdict verdict) noexcept;  ///< "holds", "fails", "not tested"

enum class ClaimOrigin { paper, ours };
std::string_view name(ClaimOrigin origin) noexcept;

/// One numbered claim on one set of data.
struct Claim {
  int number = 0;     ///< place in the table, from 1
  std::string id;     ///< stable name; claims on several sets of data share it
  std::string group;  ///< heading in the table
  ClaimOrigin origin = ClaimOrigin::paper;
  std::string reference;  ///< equation or figure of the paper, e.g. "Eq. 13, Fig. 6a"
  std::string statement;  ///< one sentence
  std::string printed;    ///< value that the paper prints; empty where it prints none
  std::string quantity;   ///< what was measured, with its unit
  std::string scope;      ///< on which data: model, size, N, K; empty without data
  Estimate prediction;    ///< from theory and curves
  Estimate measured;      ///< 95 %
  ClaimRule rule = ClaimRule::meets;
  Estimate allowed;                   ///< low and high: the range with which the claim holds; an empty end is open
  std::string allowance;              ///< where that range comes from
  std::optional<double> widest;       ///< an interval wider than this tests nothing; only for `meets`
  std::size_t n_runs = 0;             ///< curves or runs behind the measured number; 0 for pure calculation
  bool full_scale = true;             ///< hidden 512 and dim 63, as in the paper
  std::vector<std::string> sources;   ///< files
  std::vector<std::string> commands;  ///< that reproduce it, or would fill the gap
  ClaimVerdict verdict = ClaimVerdict::not_tested;
  std::string reason;  ///< of the verdict, in words
};

/// The rule of a claim in words.
std::string rule_text(const Claim& claim);

/// Sets verdict and reason by the stated rule:
///
///     meets    holds if [measured.low, measured.high] and [allowed.low, allowed.high] overlap, else fails; not tested
///              when the measured interval is open or wider than `widest`
///     inside   holds if [measured.low, measured.high] lies in the range, fails if it lies outside, else not tested
///
/// Without a measured value the claim is not tested, and `reason`, where there is one, stays.
void judge(Claim& claim);

/// Every claim, judged and numbered, in the order of the table.
///
/// Source   Eq. 10, Eq. 11, Eq. 12, Eq. 13, Eq. 16, Eq. 37, Eq. 45, Eq. 46 and Figs. 2 to 6, A.1 to A.8; ours are
///          derived in docs/theory.md.
/// Takes    what read_results gives; options: N, beta0, w0 of the claims that are calculations alone.
/// Returns  at least one entry per claim; a claim that several sets of data test has one for each.
/// Checked  [eq10] [eq11] [eq12] [eq13] [eq16] [eq37] [eq45] [eq46]
std::vector<Claim> claims_of(const Results& results, const FigureOptions& options = {});

}  // namespace iclk::figures
