// What is outside of a chip: nothing, or the SDRAM at its pins.
#pragma once
#include "lpu-sim/src/rtl/bridge.rs.h"
#include "verilated.h"

namespace lpu {

template <class Model> class NoMemory {
public:
    NoMemory(size_t, Model&) {}
    void settled() {}
    rust::String violation() const { return {}; }
};

template <class Model> class Sdram {
public:
    Sdram(size_t number, Model& model) : model_(model), part_(new_part(number)) {}

    // The pins of this cycle have settled; the part's word is there before its end.
    void settled() {
        const PartPins pins = {
            bool(model_.sdram_clock_enable__0240), bool(model_.sdram_cs_n__0240),  bool(model_.sdram_ras_n__0240),
            bool(model_.sdram_cas_n__0240),        bool(model_.sdram_we_n__0240),  uint8_t(model_.sdram_bank__0240),
            uint16_t(model_.sdram_line__0240),     model_.sdram_mask__0240 == 3,   bool(model_.sdram_drive__0240),
            uint16_t(model_.sdram_data_out__0240),
        };
        model_.sdram_data_in__0240 = part_->clock(pins);
        model_.eval();
    }

    rust::String violation() const { return part_->violation(); }

private:
    Model& model_;
    rust::Box<Part> part_;
};

} // namespace lpu
