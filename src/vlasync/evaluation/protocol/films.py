"""Chains as videos: the kept actions drive the simulator again, at a size to look at."""

from __future__ import annotations

from collections.abc import Sequence

from vlasync.envs.simulators import Simulator, open_simulator
from vlasync.evaluation.chains import initial_observation
from vlasync.evaluation.judge import VIDEO_CAMERAS
from vlasync.evaluation.protocol.chain import PlannedChain
from vlasync.evaluation.protocol.outcomes import kept_actions
from vlasync.evaluation.protocol.run import ProtocolConfig
from vlasync.evaluation.recordings import RolloutRecording
from vlasync.evaluation.rollout import Outcome, film
from vlasync.evaluation.videos import render_chain
from vlasync.progress import stage


def film_chains(config: ProtocolConfig, chains: Sequence[PlannedChain]) -> dict[str, bytes]:
    """The filmed ones of some chains that have been run: MP4 files by caption."""
    filmed = [chain for chain in chains if chain.index in config.filmed]
    videos = {}
    with stage("film", len(filmed)) as bar:
        for chain in filmed:
            env = open_simulator(config.scene, VIDEO_CAMERAS, calvin_root=config.calvin_root)
            outcomes = kept_actions(config.folder, chain)
            solved = sum(outcome.success for outcome in outcomes)
            caption = f"Chain {chain.index}: {solved} of {len(chain.tasks)}"
            videos[caption] = render_chain(film_chain(env, chain, outcomes), env.sync_spec.rate_hz)
            env.close()
            bar.advance()
    return videos


def film_chain(env: Simulator, chain: PlannedChain, outcomes: Sequence[Outcome]) -> list[RolloutRecording]:
    """The tasks of a chain that were begun, frame by frame.

    Args:
        env: the simulator in the chain's scene, with the cameras to film with.
        chain: where it began.
        outcomes: with the actions that were executed.
    """
    robot_obs, scene_obs = initial_observation(chain.state, env.layout)
    observation, _ = env.reset(robot_obs=robot_obs, scene_obs=scene_obs)
    recordings = []
    for number, outcome in enumerate(outcomes):
        frames, observation = film(env, observation, outcome.executed)
        recordings.append(
            RolloutRecording(
                task=f"{number + 1} of {len(chain.tasks)}: {chain.tasks[number]}",
                instruction=chain.instructions[number],
                success=outcome.success,
                frames=frames,
                predicted=outcome.predicted,
                executed=outcome.executed,
                seed=chain.index,
            )
        )
    return recordings
