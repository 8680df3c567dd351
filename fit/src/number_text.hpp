#pragma once

#include <string>

namespace iclk::fit {

std::string rounded_text(double value, int digits);  ///< `digits` significant digits, for reports and warnings

}  // namespace iclk::fit
