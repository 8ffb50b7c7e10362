// The chips and boards that this library was built with.
#include "board_driver.h"
#include "chip.h"
#include "driver.h"
#include "lpu_chips.h"
#include "outside.h"
#include "recorder.h"
#ifdef LPU_WAVES
#include "waves.h"
#endif

namespace lpu {

#define LPU_MAKE(index, Model, Observer, Outside)                                                                      \
    if (number == index) return std::make_unique<Driver<Model, Observer, Outside>>(number);

std::unique_ptr<Chip> new_chip(size_t number) {
    LPU_CHIPS(LPU_MAKE)
    return nullptr;
}

#define LPU_MAKE_BOARD(index, Model)                                                                                   \
    if (number == index) return std::make_unique<BoardDriver<Model>>(clock_hz);

std::unique_ptr<BoardModel> new_board(size_t number, uint32_t clock_hz) {
    LPU_BOARDS(LPU_MAKE_BOARD)
    return nullptr;
}

} // namespace lpu
