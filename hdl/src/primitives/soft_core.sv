module soft_core (
    input  wire clock,
    input  wire run,
    output logic valid,
    output logic [31:0] address,
    output logic [3:0] write_mask,
    output logic [31:0] write_data,
    input  wire ready,
    input  wire [31:0] read_data,
    output logic next_read,
    output logic next_write,
    output logic [31:0] next_address,
    output logic [3:0] next_mask,
    output logic [31:0] next_data,
    output logic trap
);
    picorv32 #(
        .ENABLE_COUNTERS(1'b0), .ENABLE_COUNTERS64(1'b0), .BARREL_SHIFTER(1'b1), .COMPRESSED_ISA(1'b1),
        .CATCH_MISALIGN(1'b1), .CATCH_ILLINSN(1'b1), .REGS_INIT_ZERO(1'b1), .PROGADDR_RESET(32'h0)
    ) core (
        .clk(clock), .resetn(run), .trap(trap),
        .mem_valid(valid), .mem_instr(), .mem_ready(ready), .mem_addr(address), .mem_wdata(write_data),
        .mem_wstrb(write_mask), .mem_rdata(read_data),
        .mem_la_read(next_read), .mem_la_write(next_write), .mem_la_addr(next_address), .mem_la_wdata(next_data),
        .mem_la_wstrb(next_mask),
        .pcpi_valid(), .pcpi_insn(), .pcpi_rs1(), .pcpi_rs2(), .pcpi_wr(1'b0), .pcpi_rd(32'h0), .pcpi_wait(1'b0),
        .pcpi_ready(1'b0), .irq(32'h0), .eoi(), .trace_valid(), .trace_data()
    );
endmodule
