// Moves the oscillator of a Verilated board and reads its pins.
#pragma once
#include "board.h"
#include "lpu-sim/src/rtl/bridge.rs.h"
#include "lpu_chips.h"
#include "verilated.h"
#include <string>

namespace lpu {

template <class Model> class BoardDriver final : public BoardModel {
public:
    explicit BoardDriver(uint32_t clock_hz) : context_(with_clock(clock_hz)), model_(context_.get()) {
        model_.oscillator = 0;
        model_.serial_in = 1;
        model_.flash_in = 1;
        model_.eval();
    }

    ~BoardDriver() override { model_.final(); }

    // The soft core's clock rises with the first of these edges of the oscillator, and not with the others.
    BoardOutputs cycle(BoardInputs inputs) override {
        model_.serial_in = inputs.serial;
        model_.flash_in = inputs.flash;
        for (unsigned edge = 0; edge < kControlRatio; ++edge) {
            model_.oscillator = 1;
            model_.eval();
            model_.oscillator = 0;
            model_.eval();
        }
        const unsigned lights = model_.led_alive | model_.led_loaded << 1 | model_.led_busy << 2 |
                                model_.led_fault << 3 | model_.led_cause_0 << 4 | model_.led_cause_1 << 5;
        return {bool(model_.serial_out), bool(model_.flash_select_n), bool(model_.flash_clock),
                bool(model_.flash_out),  bool(model_.led_busy),       uint8_t(lights)};
    }

private:
    // The model reads the frequency that its firmware is told from the context's arguments.
    static std::unique_ptr<VerilatedContext> with_clock(uint32_t clock_hz) {
        auto context = std::make_unique<VerilatedContext>();
        const std::string argument = "+control_hz=" + std::to_string(clock_hz);
        const char* arguments[] = {"board", argument.c_str()};
        context->commandArgs(2, arguments);
        return context;
    }

    std::unique_ptr<VerilatedContext> context_;
    Model model_;
};

} // namespace lpu
