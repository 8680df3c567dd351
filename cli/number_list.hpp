#pragma once

#include <string>
#include <vector>

#include "verb_options.hpp"

namespace iclk::cli {

/// `a,b,c` or `LO:HI:N`, N numbers from LO to HI with equal ratios, ends included. Throws Error for anything else, and
/// for a number that breaks `rule`.
std::vector<double> parse_log_spaced(const std::string& option, const std::string& text, const NumberRule& rule);

}  // namespace iclk::cli
