#pragma once

#include <span>

#include "iclk/figures/figure_tables.hpp"

namespace iclk::figures {

/// fig6c_tables where every seed needs `excess` more I_K than Eqs. 7-8 say [time].
FigureTables fig6c_tables_beyond(std::span<const MeasuredCurve> curves, const FigureOptions& options, double excess);

}  // namespace iclk::figures
