"""The nodes of the pack: thin adapters between ComfyUI and gwm_core."""

from __future__ import annotations

from comfy_api.v0_0_2 import ComfyExtension, io

from .avatars import GWMCharacter, GWMDriveAvatar
from .avatars_conversation import GWMConversation
from .avatars_examples import GWMExampleAvatar
from .avatars_live import GWMLiveAvatar
from .avatars_live import register as register_avatars
from .avatars_report import GWMLipSyncReport
from .controls import GWMCameraPath, GWMControls, GWMJoinControls
from .events import GWMBranchWorld, GWMWorldEvent
from .files import GWMLoadWorld, GWMSaveWorld
from .inverse import GWMControlsFromVideo
from .live import register as register_live
from .ltx import GWMToLTX
from .models import GWMLoadModel
from .play import GWMPlayWorld
from .robotics import GWMCounterfactuals, GWMRobotRollout
from .robotics_data import GWMLoadRobotDataset, GWMSaveRobotDataset
from .robotics_evaluation import GWMEvaluatePolicies, GWMFindViolations
from .robotics_policy import GWMRobotPolicy
from .routes import register
from .video import GWMCastMember, GWMShot, GWMStoryboard
from .video_make import GWMGenerateVideo, GWMRetake
from .video_report import GWMAVSyncReport
from .video_sound import GWMAddSound
from .wan import GWMCameraToWan
from .worlds import GWMNewWorld, GWMStepWorld

#: Every node of the pack, in the order of the menu. Ids are frozen: workflows name them.
NODES: list[type[io.ComfyNode]] = [
    GWMLoadModel,
    GWMNewWorld,
    GWMControls,
    GWMCameraPath,
    GWMJoinControls,
    GWMControlsFromVideo,
    GWMStepWorld,
    GWMPlayWorld,
    GWMWorldEvent,
    GWMBranchWorld,
    GWMSaveWorld,
    GWMLoadWorld,
    GWMCameraToWan,
    GWMRobotPolicy,
    GWMRobotRollout,
    GWMCounterfactuals,
    GWMEvaluatePolicies,
    GWMFindViolations,
    GWMSaveRobotDataset,
    GWMLoadRobotDataset,
    GWMExampleAvatar,
    GWMCharacter,
    GWMDriveAvatar,
    GWMConversation,
    GWMLiveAvatar,
    GWMLipSyncReport,
    GWMCastMember,
    GWMShot,
    GWMStoryboard,
    GWMGenerateVideo,
    GWMRetake,
    GWMAddSound,
    GWMAVSyncReport,
    GWMToLTX,
]


class GWMExtension(ComfyExtension):
    """What ComfyUI asks for the list of nodes."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        # Here, since the oldest supported host never calls on_load.
        register()
        register_live()
        register_avatars()
        return list(NODES)
