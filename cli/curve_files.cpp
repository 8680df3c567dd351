#include "curve_files.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "attention_point.hpp"
#include "iclk/core/error.hpp"

namespace iclk::cli {
namespace {

bool same_samples(const Curve& a, const Curve& b) {
  return std::equal(a.times().begin(), a.times().end(), b.times().begin(), b.times().end()) &&
         std::equal(a.values().begin(), a.values().end(), b.values().begin(), b.values().end());
}

std::string described(const MeasuredCurve& curve) {
  std::string text = curve.n_items ? "K = " + std::to_string(*curve.n_items) : "a curve";
  if (curve.seed) text += ", seed " + std::to_string(*curve.seed);
  return text;
}

/// A curve counts twice when K and seed agree; without a seed, when the samples do.
void refuse_duplicates(const std::vector<MeasuredCurve>& curves) {
  for (std::size_t i = 0; i < curves.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const bool same_run =
          curves[i].n_items == curves[j].n_items && curves[i].seed == curves[j].seed &&
          ((curves[i].n_items && curves[i].seed) || same_samples(curves[i].curves.c1, curves[j].curves.c1));
      if (same_run) {
        throw Error({.file = curves[i].source, .line = {}, .field = {}},
                    described(curves[i]) + " is given twice; it is also in " + curves[j].source);
      }
    }
  }
}

}  // namespace

void declare_foreign_curves(VerbOptions& options, std::optional<double>& lr, std::vector<std::uint64_t>& n_items) {
  options.number("--lr", lr, positive_number(),
                 "learning rate of curves whose time column counts SGD steps and that do not say it themselves");
  options.counts("--items", n_items, kItemsRule,
                 "K of curve files that do not say it themselves: one number, or one per file");
}

std::vector<MeasuredCurve> read_all_curves(std::span<const std::string> files, std::optional<double> lr,
                                           std::span<const std::uint64_t> n_items) {
  if (n_items.size() > 1 && n_items.size() != files.size()) {
    throw field_error("--items", "expected one number for all files or one for each of the " +
                                     std::to_string(files.size()) + " files, got " + std::to_string(n_items.size()));
  }
  std::vector<MeasuredCurve> curves;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::string& file = files[i];
    std::error_code none;
    if (std::filesystem::is_directory(file, none)) {
      throw Error({.file = file, .line = {}, .field = {}}, "is a directory, expected a curve file; " +
                                                               (std::filesystem::path(file) / "*.curves.csv").string() +
                                                               " names the curves in it");
    }
    ForeignCurveOptions foreign{.lr = lr, .n_items = {}};
    if (!n_items.empty()) foreign.n_items = n_items.size() == 1 ? n_items[0] : n_items[i];
    for (MeasuredCurve& curve : read_curves(file, foreign)) {
      if (curve.n_items && (*curve.n_items < kItemsRule.low || *curve.n_items > kItemsRule.high)) {
        throw Error({.file = file, .line = {}, .field = "n_items"},
                    "expected " + words(kItemsRule) + ", got " + std::to_string(*curve.n_items));
      }
      curves.push_back(std::move(curve));
    }
  }
  refuse_duplicates(curves);
  return curves;
}

}  // namespace iclk::cli
