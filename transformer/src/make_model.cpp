#include "iclk/core/error.hpp"
#include "iclk/transformer/minimal_model.hpp"
#include "iclk/transformer/simulation.hpp"

namespace iclk::transformer {

std::unique_ptr<IclModel> make_model(const SimulationOptions& options) {
  switch (options.model) {
    case ModelKind::minimal:
      return make_minimal_model({.n_context = n_exemplars(options),
                                 .dim = options.dim,
                                 .hidden = options.hidden,
                                 .batch = options.batch,
                                 .beta0 = options.beta0,
                                 .beta0_sd = options.beta0_sd,
                                 .w0 = options.w0,
                                 .w0_sd = options.w0_sd,
                                 .attend_self = options.attend_self,
                                 .backend = options.backend,
                                 .precision = options.precision},
                                options.seed);
    case ModelKind::one_layer:
    case ModelKind::two_layer:
      break;
  }
  throw field_error("model", "expected minimal, got " + std::string(name(options.model)));
}

}  // namespace iclk::transformer
