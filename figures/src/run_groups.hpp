#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "iclk/figures/run_folder.hpp"

// Which runs of a folder belong together: one list of settings, and one function that groups by them.
namespace iclk::figures {

/// Runs that are looked at together, in the order of read_run_folder unless said otherwise.
using RunList = std::vector<const MeasuredRun*>;

/// What the runs of one group may differ in. Flags, joined by |.
///
///   nothing                                one place: runs that differ in their seed alone
///   size                                   thresholds and times against N and K; the claims about them
///   size | labels                          Fig. 6e, random against balanced contexts; labels alone: its places
///   size | item_rules                      courses in one picture, with finite and infinite K (2d, 3b, attention)
///   attention_decay                        scans of the decay at one N and K (6d, A.6, fade)
///   size | attention_decay                 claims about such scans
///   size | attention_decay | beta_decay    claims and tables for which decay does not matter
enum class Vary : unsigned {
  nothing = 0,
  size = 1,             ///< items, context
  item_rules = 2,       ///< item_labels, item_set, target_rule, zipf: what exists with finite K only
  labels = 4,           ///< labels of contexts
  attention_decay = 8,  ///< lambda_w of the minimal model, attention_decay of transformers
  beta_decay = 16,      ///< lambda_beta
};

constexpr Vary operator|(Vary a, Vary b) noexcept {
  return static_cast<Vary>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr bool includes(Vary all, Vary one) noexcept {
  return (static_cast<unsigned>(all) & static_cast<unsigned>(one)) != 0;
}

/// A setting by which runs are told apart.
struct RunSetting {
  std::string_view key;
  Vary kind = Vary::nothing;  ///< the flag that lets runs of a group differ in it
};

/// All of them, in the order of captions.
///
/// Runs that differ in others belong together: seed; how long a run goes on (iterations, stop_icl, stop_memorized,
/// stop_faded); how it is measured (test_sequences, points_per_decade, measure_every); how it is computed (backend,
/// precision, item_draw).
std::span<const RunSetting> run_settings() noexcept;

/// Whether two runs have equal settings but for those that may differ.
bool belong_together(const MeasuredRun& a, const MeasuredRun& b, Vary may_differ);

/// The runs in groups of equal settings, but for those that may differ. Groups in the order of their first run, runs of
/// a group in the order given. A number has the same value however it is written.
std::vector<RunList> groups_of(const RunList& runs, Vary may_differ);

/// The groups with the most runs first; equal ones in the order given.
std::vector<RunList> largest_first(std::vector<RunList> groups);

/// Of each model the group whose runs differ in N and K alone and which has the most N, of equal ones the most runs; in
/// the order minimal, one-layer, two-layer. For figures against N.
std::vector<RunList> largest_by_model(const RunList& runs);

/// The group with the most runs; at least one group.
const RunList& largest_of(const std::vector<RunList>& groups);

/// The runs that `wanted` takes.
template <class Wanted>
RunList runs_where(std::span<const MeasuredRun> runs, const Wanted& wanted) {
  RunList list;
  for (const MeasuredRun& run : runs) {
    if (wanted(run)) list.push_back(&run);
  }
  return list;
}
RunList all_runs(std::span<const MeasuredRun> runs);

/// Decay of attention [1/time], lambda_w in the minimal model, attention_decay in transformers; zero where the run does
/// not have it.
double decay_of(const MeasuredRun& run) noexcept;

/// How many of the runs acquired in-context learning.
std::size_t n_acquired(const RunList& runs);

/// N of the groups, each of one N and K: `preferred` if it is there, else the N with the most different K, the larger
/// of equals.
double drawn_context(const std::vector<RunList>& places, const std::optional<double>& preferred);

}  // namespace iclk::figures
