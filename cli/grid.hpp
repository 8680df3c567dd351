#pragma once

#include <string>
#include <vector>

#include "verb_options.hpp"

namespace iclk::cli {

/// Rising numbers: `LO:HI:N` is N of them evenly spaced from LO to HI, `a,b,c` those, `a` one. Throws Error naming
/// `option` for anything else, and for a number that breaks `rule`.
std::vector<double> parse_grid(const std::string& option, const std::string& text, const NumberRule& rule);

}  // namespace iclk::cli
