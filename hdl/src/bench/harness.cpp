// Feeds one record of input words per clock cycle from standard input to the verilated design and writes one record
// of output words. `ports.h` holds the two functions that know the ports, and whether there is a clock.
#include "Vdut.h"
#include "verilated.h"
#include "ports.h"
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

double sc_time_stamp() { return 0; }

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const unsigned long cycles = std::strtoul(argv[1], nullptr, 10);
    const auto context = std::make_unique<VerilatedContext>();
    const auto dut = std::make_unique<Vdut>(context.get(), "dut");
    std::vector<uint32_t> in(IN_WORDS + 1), out(OUT_WORDS + 1);
    for (unsigned long cycle = 0; cycle < cycles; ++cycle) {
        if (std::fread(in.data(), 4, IN_WORDS, stdin) != IN_WORDS) return 3;
        drive(*dut, in.data());
        clock_level(*dut, 0);
        dut->eval();
        sample(*dut, out.data());
        if (std::fwrite(out.data(), 4, OUT_WORDS, stdout) != OUT_WORDS) return 4;
        clock_level(*dut, 1);
        dut->eval();
    }
    dut->final();
    return std::fflush(stdout) == 0 ? 0 : 4;
}
