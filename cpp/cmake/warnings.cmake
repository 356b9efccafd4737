# Warnings of one target of ours; errors where OPTCORE_WERROR asks for it (presets, CI).
option(OPTCORE_WERROR "Treat warnings as errors" OFF)

function(optcore_warnings target)
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wconversion;-Wno-sign-conversion;-Wdouble-promotion;-Wshadow;-Wno-psabi>
    $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${OPTCORE_WERROR}>>:-Werror>
    $<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${OPTCORE_WERROR}>>:--Werror=all-warnings>)
endfunction()

# What every target with CUDA sources needs. 554: a view of const converts to itself, harmlessly;
# 1675: pragmas meant for GCC.
function(optcore_cuda_options target)
  set_target_properties(${target} PROPERTIES CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON
    CUDA_RUNTIME_LIBRARY Static)
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr;--diag-suppress=554,1675>)
endfunction()

# Keeps what ptxas says of each kernel beside its object (see scripts/check_spills.sh).
function(optcore_keep_ptxas_reports target)
  set_target_properties(${target} PROPERTIES
    CUDA_COMPILER_LAUNCHER ${PROJECT_SOURCE_DIR}/scripts/nvcc_keep_report.sh)
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-Xptxas;-v>)
endfunction()

# Floating point: contraction to fused multiply-add, no errno; never -ffast-math.
function(optcore_numerics target)
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=fast;-fno-math-errno;-fno-trapping-math>)
endfunction()
