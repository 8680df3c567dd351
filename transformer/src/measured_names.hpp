#pragma once

#include <string>
#include <vector>

#include "iclk/transformer/icl_model.hpp"

namespace iclk::transformer {

/// Names of what a Simulation measures of a model beside logits: its diagnostics, and of one that can be taken apart how
/// (AttentionModel), the mean attention on copies and on the target itself and the root mean squares of the logit's parts.
std::vector<std::string> measured_names(const IclModel& model);

}  // namespace iclk::transformer
