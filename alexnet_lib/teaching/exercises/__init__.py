"""Exercises that check themselves.

Each `check_…` takes your answer and says whether it is right; if it is not, it says which mistake
leads there, as far as it knows one. `check_….hint(1)`, `.hint(2)` … help in small steps. The right
answers are computed from the description of the network, here as everywhere.
"""

from .chapter_01 import check_gpu_memory, check_images_seen, check_uniform_loss
from .chapter_02 import (
    check_dense_conv1,
    check_flatten_224,
    check_output_size,
    check_pool2_receptive_field,
)
from .chapter_03 import (
    check_batch_activations,
    check_conv2_parameters,
    check_halved_fc,
    check_neurons_conv1,
    check_original_input,
)
from .chapter_04 import (
    check_dead_units,
    check_layers_to_a_millionth,
    check_relu_backward,
    check_sigmoid_bound,
)
from .chapter_05 import (
    check_divided_alpha,
    check_lone_unit,
    check_lrn_window,
    check_seam,
    check_turning_point,
)
from .chapter_06 import (
    check_max_pool_row,
    check_pool1_comparisons,
    check_pool5_sees,
    check_visits,
)
from .chapter_07 import (
    check_dropout_share,
    check_fc7_weights_in_use,
    check_inverted_scale,
    check_subnetworks,
    check_survivors,
)
from .chapter_08 import (
    check_batch_traffic,
    check_block_zeros,
    check_conv3_traffic,
    check_one_gpu_net,
    check_seen_maps,
)
from .chapter_09 import (
    check_four_groups,
    check_kernel_shape,
    check_mixed_memory,
    check_place_in_caffe,
)
from .chapter_10 import (
    check_colour_shift,
    check_five_crops,
    check_shown_share,
    check_windows,
)
from .chapter_11 import (
    check_hours_for_imagenet,
    check_l2_penalty,
    check_scaled_rate,
    check_terminal_velocity,
    check_updates,
)
from .chapter_12 import check_class_weight, check_new_head_parameters, check_test_pictures
from .chapter_13 import check_colourfulness, check_corner_of_conv5, check_finest_wave
from .chapter_14 import check_cam, check_cam_distance, check_occlusion_passes
from .chapter_15 import (
    check_conv3_share,
    check_source_conv2,
    check_standard_error,
    check_without_conv3,
)
from .chapter_16 import (
    check_global_pooling,
    check_separable_macs,
    check_stacked_weights,
    check_tokens,
    check_vgg_fc6,
)
from .kinds import FunctionExercise, NumberExercise

__all__ = [
    "FunctionExercise",
    "NumberExercise",
    "check_batch_activations",
    "check_batch_traffic",
    "check_block_zeros",
    "check_cam",
    "check_cam_distance",
    "check_class_weight",
    "check_colour_shift",
    "check_colourfulness",
    "check_conv2_parameters",
    "check_conv3_share",
    "check_conv3_traffic",
    "check_corner_of_conv5",
    "check_dead_units",
    "check_dense_conv1",
    "check_divided_alpha",
    "check_dropout_share",
    "check_fc7_weights_in_use",
    "check_finest_wave",
    "check_five_crops",
    "check_flatten_224",
    "check_four_groups",
    "check_global_pooling",
    "check_gpu_memory",
    "check_halved_fc",
    "check_hours_for_imagenet",
    "check_images_seen",
    "check_inverted_scale",
    "check_kernel_shape",
    "check_l2_penalty",
    "check_layers_to_a_millionth",
    "check_lone_unit",
    "check_lrn_window",
    "check_max_pool_row",
    "check_mixed_memory",
    "check_neurons_conv1",
    "check_new_head_parameters",
    "check_occlusion_passes",
    "check_one_gpu_net",
    "check_original_input",
    "check_output_size",
    "check_place_in_caffe",
    "check_pool1_comparisons",
    "check_pool2_receptive_field",
    "check_pool5_sees",
    "check_relu_backward",
    "check_scaled_rate",
    "check_seam",
    "check_seen_maps",
    "check_separable_macs",
    "check_shown_share",
    "check_sigmoid_bound",
    "check_source_conv2",
    "check_stacked_weights",
    "check_standard_error",
    "check_subnetworks",
    "check_survivors",
    "check_terminal_velocity",
    "check_test_pictures",
    "check_tokens",
    "check_turning_point",
    "check_uniform_loss",
    "check_updates",
    "check_vgg_fc6",
    "check_visits",
    "check_windows",
    "check_without_conv3",
]
