#pragma once

#include <string>

#include "iclk/theory/landscape.hpp"

namespace iclk::test {

/// One of the named lists of logit_lists.json: zero, A, B, Cw.
theory::LogitList logit_list(const std::string& name);

}  // namespace iclk::test
