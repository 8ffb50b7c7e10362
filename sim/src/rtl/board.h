// A Verilated board behind its pins.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

namespace lpu {

struct BoardInputs;
struct BoardOutputs;

class BoardModel {
public:
    virtual ~BoardModel() = default;
    virtual BoardOutputs cycle(BoardInputs inputs) = 0;
};

std::unique_ptr<BoardModel> new_board(size_t number, uint32_t clock_hz);

} // namespace lpu
