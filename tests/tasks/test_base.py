import pytest

from reasoning_jax.tasks import EMBEDDED, Task, load_task
from reasoning_jax.tasks.modchain import ModChain


def test_embedded_tasks_by_name():
    for name in EMBEDDED:
        task = load_task(name)
        assert isinstance(task, Task) and task.name == name
    assert load_task("modchain", length=3, seed=5) == ModChain(length=3, seed=5)


def test_a_class_by_its_path():
    task = load_task("reasoning_jax.tasks.modchain:ModChain", modulus=7)
    assert task == ModChain(modulus=7)


def test_unknown_names_and_options_list_the_choices():
    with pytest.raises(ValueError, match=r"'modchian'.*modchain, wordchain"):
        load_task("modchian")
    with pytest.raises(ValueError, match="nowhere"):
        load_task("nowhere.at_all:Task")
    with pytest.raises(ValueError, match="Missing"):
        load_task("reasoning_jax.tasks.modchain:Missing")
    with pytest.raises(ValueError, match=r"no option 'lenght'.*length, modulus"):
        load_task("modchain", lenght=3)
    with pytest.raises(ValueError, match="drop data='folder'"):
        load_task("modchain", data="folder")
    with pytest.raises(ValueError, match="give data="):
        load_task("gsm8k")
