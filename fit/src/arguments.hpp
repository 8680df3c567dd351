#pragma once

#include <string>

namespace iclk::fit {

/// Throws Error naming the field unless value is positive and finite.
void require_positive(double value, const std::string& field);

}  // namespace iclk::fit
