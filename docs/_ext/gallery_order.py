"""The order of the gallery's stories."""

_STORIES = (
    "plot_first_pipeline",
    "plot_image_folder",
    "plot_training_curve",
    "plot_grid_search",
    "plot_optuna",
    "plot_schedule",
    "plot_layers_and_pooling",
    "plot_backbones",
    "plot_onnx_network",
    "plot_classifiers",
    "plot_custom_head",
    "plot_convolutional_head",
    "plot_tags",
    "plot_boxes",
    "plot_fish_length",
    "plot_wrong_labels",
    "plot_more_images",
    "plot_what_to_label_next",
    "plot_image_search",
    "plot_near_duplicates",
    "plot_is_it_better",
    "plot_explanations",
    "plot_feature_map",
    "plot_when_not_to_trust",
    "plot_drift",
    "plot_anomaly_detection",
    "plot_save_and_export",
    "plot_dask",
    "plot_report_step_by_step",
)


class StoryOrder:
    """Sort the gallery's files: first steps, training, features, production."""

    def __init__(self, src_dir: str):
        self.src_dir = src_dir

    def __call__(self, filename: str) -> tuple[int, str]:
        """Return the place of a file; one that is not listed comes last."""
        name = filename.removesuffix(".py")
        return (_STORIES.index(name) if name in _STORIES else len(_STORIES), name)
