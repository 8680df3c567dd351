#include "program.hpp"

int main(int argc, char** argv) { return iclk::cli::run_program(argc, argv); }
