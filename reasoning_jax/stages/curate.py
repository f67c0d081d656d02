"""Makes a file of responses to imitate; a stage ``sft`` behind it names this one as its data."""

from ml_collections import ConfigDict

from reasoning_jax.functions import function
from reasoning_jax.parallel import is_main_process
from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.examples import data_path, write_examples
from reasoning_jax.stages.stage import Stage


def default_config() -> ConfigDict:
    """The stage's block; the file is ``WORKDIR/data/`` and the stage's name."""
    block = ConfigDict()
    block.stage = "reasoning_jax.stages.curate"
    # what chooses or writes the examples; others: reasoning_jax.stages.sources.curators
    block.curator = named("reasoning_jax.stages.sources.curators.Solutions")
    return block


def validate(context: Context, block: ConfigDict) -> None:
    """Checks the block against task and model; raises ValueError."""
    _curator(block).validate(context)


def run(stage: Stage, params: dict) -> dict:
    """Writes the file; returns the parameters unchanged.

    Raises:
      RuntimeError: nothing passes the curator.
    """
    context = stage.context
    examples, metrics = _curator(stage.config).examples(context, params, stage.seed(0))
    if not examples:
        raise RuntimeError(
            f"{stage.name}: nothing passes the curator ({metrics}); give it more problems or "
            "samples, or loosen what it asks for"
        )
    if is_main_process():
        path = data_path(context, stage.name)
        path.parent.mkdir(exist_ok=True)
        write_examples(path, examples)
    context.log.log(stage.name, 0, {f"curate/{name}": value for name, value in metrics.items()})
    stage.finish(0, params)
    return params


def _curator(block: ConfigDict):
    try:
        return function(block.curator, "curator")()
    except TypeError as error:
        raise ValueError(f"curator: {error}; give it beside name") from error
