#pragma once

#include <string>
#include <vector>

#include "ensemble_answer.hpp"
#include "output.hpp"
#include "point_table.hpp"

namespace iclk::cli {

Answer answer_of_curves(const EnsembleQuestion& question, const std::vector<EnsembleCurve>& curves,
                        const EnsembleThreshold& threshold, bool answered);
Answer answer_of_integral(const EnsembleQuestion& question, const EnsembleAnswer& answer, double i_infinity);

/// Answer columns of --table.
std::vector<std::string> table_columns(bool has_curve);
std::vector<AnswerCell> table_cells(const EnsembleAnswer& answer, const theory::CurveFlow* flow);

/// --distribution
class DistributionCsv {
 public:
  DistributionCsv();
  void add(const MeasuredCurve* curve, const std::vector<DistributionRow>& rows);
  std::string take() && { return std::move(csv_).take(); }

 private:
  CsvText csv_;
};

/// --runs
class RunsCsv {
 public:
  RunsCsv();
  void add(const MeasuredCurve* curve, const theory::CurveFlow* flow, const EnsembleAnswer& answer, double i_infinity);
  std::string take() && { return std::move(csv_).take(); }

 private:
  CsvText csv_;
};

}  // namespace iclk::cli
