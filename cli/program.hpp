#pragma once

namespace iclk::cli {

/// Parses the command line, runs the verb and returns the exit status. Every error becomes one line on standard error.
int run_program(int argc, const char* const* argv);

}  // namespace iclk::cli
