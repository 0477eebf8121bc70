"""A pipeline that several test files share."""

from fishsk import make_fish_pipeline


def make_quick_pipeline(**params):
    """Return a pipeline of drawn weights that is fitted in a moment; `params` win over its own."""
    quick = {
        "features__image_size": 32,
        "features__layers": ["block1_pool", "block2_pool"],
        "head__hidden_units": 16,
        "head__epochs": 8,
        "head__validation_fraction": 0,
    }
    return make_fish_pipeline(weights=None, random_state=0, **quick | params)
