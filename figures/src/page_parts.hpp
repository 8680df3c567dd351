#pragma once

#include <string>

#include "iclk/figures/report.hpp"

// Sections of the page; report_page puts them together.
namespace iclk::figures {

std::string data_part(const Results& results);
std::string predictions_part(const Report& report);
std::string claims_part(const Report& report);
std::string figure_part(const Report& report, const ReportFigure& figure);

}  // namespace iclk::figures
