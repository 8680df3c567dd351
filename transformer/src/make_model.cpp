#include "iclk/transformer/attention_model.hpp"
#include "iclk/transformer/minimal_model.hpp"
#include "iclk/transformer/simulation.hpp"
#include "iclk/transformer/two_layer_model.hpp"

namespace iclk::transformer {

std::unique_ptr<IclModel> make_model(const SimulationOptions& options) {
  if (options.model == ModelKind::one_layer) {
    return make_attention_model({.n_context = n_exemplars(options),
                                 .dim = options.dim,
                                 .hidden = options.hidden,
                                 .batch = options.batch,
                                 .attend_self = options.attend_self,
                                 .backend = options.backend,
                                 .precision = options.precision},
                                options.seed);
  }
  if (options.model == ModelKind::two_layer) {
    return make_two_layer_model({.n_context = n_exemplars(options),
                                 .dim = options.dim,
                                 .hidden = options.hidden,
                                 .batch = options.batch,
                                 .attend_self = options.attend_self,
                                 .train_readout = options.readout == Readout::trained,
                                 .backend = options.backend,
                                 .precision = options.precision},
                                options.seed);
  }
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
}

}  // namespace iclk::transformer
