"""The run-level keys of a config: key -> (default, meaning). All other keys are arguments of what a NAME stands for.

A value's type is its default's; an int is taken for a float. Names are PySlowFast's where it has the thing.
"""

from __future__ import annotations

from typing import Any

KEYS: dict[str, tuple[Any, str]] = {
    # what to run
    "TRAIN.ENABLE": (True, "train"),
    "TEST.ENABLE": (True, "test, after training if both are on"),
    "OUTPUT_DIR": ("output/run", "folder of everything that the run leaves"),
    "SEED": (0, "seed of the weights, of the order of the data and of every random choice in it"),
    "DEVICE": ("auto", "auto (a GPU if there is one), cpu, cuda or mps"),
    "THREADS": (0, "CPU threads of a process; 0: OMP_NUM_THREADS, else its share of the cores less its data workers"),
    "LOG_PERIOD": (10, "steps between two log lines"),
    "TENSORBOARD": (True, "write TensorBoard events into OUTPUT_DIR"),
    # the network: MODEL.NAME is a family or a named network, its other keys are that function's arguments
    "MODEL.NAME": ("slowfast", "what to build: a family or a named network; its arguments stand beside it"),
    "MODEL.NUM_CLASSES": (0, "outputs of the head; 0 takes the number of the data's class names"),
    "MODEL.INIT": ("", "weights of the convolutions: fan_out, fan_in, xavier, normal or torch; empty: as published"),
    "MODEL.FREEZE": ([], "prefixes of modules that are not trained, for example [backbone.stem, backbone.res2]"),
    "MODEL.CHANNELS_LAST": (True, "keep maps channels-last in memory"),
    "MODEL.COMPILE": (False, "run the network through torch.compile"),
    "HEAD.NAME": ("", "head on the backbone; empty takes the one that the network was published with"),
    "BN.NORM_TYPE": ("", "norm everywhere in the network: batch, group (GroupNorm) or none; empty: as published"),
    "BN.MODE": ("train", "batch norms: train, frozen, sync (statistics over all processes) or sub (over parts)"),
    "BN.NUM_SPLITS": (1, "parts of a process's batch with statistics of their own, for MODE sub"),
    "BN.EPS": (0.0, "epsilon of the batch norms; 0 takes the network's published one"),
    "BN.ZERO_INIT": (True, "the last norm of a residual branch starts at zero"),
    "BN.WEIGHT_DECAY": (0.0, "weight decay of norm parameters"),
    "BN.USE_PRECISE_STATS": (False, "recompute the statistics before every evaluation"),
    "BN.NUM_BATCHES_PRECISE": (200, "batches that they are recomputed from"),
    # the data: DATA.NAME is the format of the lists, its other keys are that reader's arguments
    "DATA.NAME": (
        "kinetics",
        "format of the data: ava, boxes, charades, imagenet, kinetics or ssv2; its arguments stand beside it",
    ),
    "DATA.PATH_TO_DATA_DIR": ("", "folder of the lists: train.csv, val.csv and, if there is one, test.csv"),
    "DATA.PATH_PREFIX": ("", "folder that the paths in the lists start from; empty: where the format has them"),
    "DATA.CLASS_NAMES": ("", "file with one class name a line; empty: classes.txt beside the lists, if it is there"),
    "DATA.NUM_FRAMES": (8, "frames of a clip (of the Fast pathway, in SlowFast)"),
    "DATA.SAMPLING_RATE": (8, "frames of the video from one frame of the clip to the next"),
    "DATA.TARGET_FPS": (30.0, "frame rate at which SAMPLING_RATE counts; other videos are sampled to match"),
    "DATA.SHORT_POLICY": ("repeat_last", "videos shorter than a clip: repeat_last, loop or error"),
    "DATA.TEST_SPAN": (
        "published",
        "where test views start: published (i / N of the room), offset (USE_OFFSET_SAMPLING) or to_end",
    ),
    "DATA.MEAN": ([0.45, 0.45, 0.45], "mean of the pixels in 0..1, red green blue"),
    "DATA.STD": ([0.225, 0.225, 0.225], "standard deviation of the pixels in 0..1, red green blue"),
    "DATA.REVERSE_INPUT_CHANNEL": (False, "give the network blue green red (weights made with OpenCV frames)"),
    "DATA.TRAIN_CROP_SIZE": (224, "side of a training crop, pixels"),
    "DATA.TEST_CROP_SIZE": (256, "side of a validation or test crop; of boxes, the short side of the whole frames"),
    "DATA.TEST_SCALE": (0, "short side that such a crop is cut from; 0: the crop's size"),
    "DATA.TRAIN_JITTER_SCALES": ([256, 320], "least and most short side that a training crop is cut from"),
    "DATA.INV_UNIFORM_SAMPLE": (False, "draw the inverse of that short side uniformly"),
    "DATA.TRAIN_JITTER_SCALES_RELATIVE": ([], "instead: least and most area of a random resized crop"),
    "DATA.TRAIN_JITTER_ASPECT_RELATIVE": ([], "and its least and most aspect ratio"),
    "DATA.RANDOM_FLIP": (True, "mirror half of the training clips"),
    "DATA.DECODING_BACKEND": ("pyav", "pyav, torchcodec or decord"),
    "DATA.MAX_BAD": (
        0.01,
        "share of unreadable training videos, or of missing ones of a split, above which the run stops",
    ),
    "DATA_LOADER.NUM_WORKERS": (2, "decoding processes per training process; 0 decodes in it"),
    "DATA_LOADER.TIMEOUT": (300.0, "seconds after which a silent worker is an error"),
    "AUG.NUM_SAMPLE": (1, "clips drawn from one decoding of a training video"),
    "AUG.COLOR_JITTER": (0.0, "strength of brightness, contrast and saturation jitter"),
    "AUG.LIGHTING": (0.0, "standard deviation of the shift along ImageNet's principal colours (AlexNet: 0.1)"),
    "AUG.LIGHTING_VALUES": (
        [0.225, 0.224, 0.229],
        "what multiplies it along each of the three: PySlowFast's; of ImageNet's pixels [0.2175, 0.0188, 0.0045]",
    ),
    "AUG.RAND_AUGMENT": ("", "RandAugment as N-M: N operations of magnitude M; empty: none"),
    "AUG.ERASE": (0.0, "probability of erasing a random box"),
    "MIXUP.ALPHA": (0.0, "mixup's Beta parameter; 0: no mixup"),
    "MIXUP.CUTMIX_ALPHA": (0.0, "CutMix's Beta parameter; 0: no CutMix"),
    # training: TASK, OPTIM and SCHEDULE are calls as well
    "TASK.NAME": ("classification", "what is learned: classification, multi_label or action_detection"),
    "OPTIM.NAME": ("sgd", "optimizer: sgd, adam, adamw or lars"),
    "SCHEDULE.NAME": ("cosine", "learning rate over training: cosine, steps, linear or constant"),
    "SOLVER.BASE_LR": (0.1, "highest learning rate, at TRAIN.BATCH_SIZE (or SOLVER.REFERENCE_BATCH)"),
    "SOLVER.REFERENCE_BATCH": (0, "batch that BASE_LR was tuned for; the rate scales linearly to TRAIN.BATCH_SIZE"),
    "SOLVER.MAX_EPOCH": (196, "epochs"),
    "SOLVER.WARMUP_EPOCHS": (0.0, "epochs of linear warm-up"),
    "SOLVER.WARMUP_START_LR": (0.01, "learning rate that the warm-up starts from"),
    "SOLVER.WEIGHT_DECAY": (1e-4, "weight decay of everything but norms"),
    "SOLVER.ZERO_WD_1D_PARAM": (False, "no weight decay on parameters of one dimension (biases)"),
    "SOLVER.CLIP_GRAD_L2NORM": (0.0, "largest norm of the gradient; 0: any"),
    "SOLVER.CLIP_GRAD_VAL": (0.0, "largest value in the gradient; 0: any"),
    "TRAIN.BATCH_SIZE": (64, "clips of a step, over all processes"),
    "TRAIN.ACCUMULATE": (1, "parts that a process's batch goes through the network in"),
    "TRAIN.PRECISION": ("fp32", "fp32, bf16 or fp16 (with loss scaling)"),
    "TRAIN.EVAL_PERIOD": (10, "epochs between two validations; the last epoch is always validated"),
    "TRAIN.CHECKPOINT_PERIOD": (1.0, "epochs between two checkpoints; a fraction saves within the epoch"),
    "TRAIN.KEEP_CHECKPOINTS": (3, "newest checkpoints that are kept, beside the best; 0: all"),
    "TRAIN.AUTO_RESUME": (True, "go on from the last checkpoint in OUTPUT_DIR, exactly where it stopped"),
    "TRAIN.INIT_FROM": ("", "weights to start from: fresh optimizer, epoch 0"),
    "TRAIN.INFLATE": ("", "INIT_FROM is an image network: center or mean says how it becomes 3-D"),
    "TRAIN.EMA": (0.0, "decay of an average of the weights that is evaluated in their place; 0: none"),
    "TRAIN.KILL_LOSS_EXPLOSION_FACTOR": (0.0, "stop when the loss grows by this factor; 0: never"),
    # multigrid training
    "MULTIGRID.LONG_CYCLE": (False, "long cycles of clip shapes between SCHEDULE.STEPS (Wu et al. 2020)"),
    "MULTIGRID.SHORT_CYCLE": (False, "short cycles of crop sizes from step to step"),
    "MULTIGRID.EPOCH_FACTOR": (1.5, "SOLVER.MAX_EPOCH is multiplied by this under either cycle"),
    "MULTIGRID.BN_BASE_SIZE": (
        8,
        "least clips that a batch norm's statistics are taken over, under BN.MODE train; 0: a process's batch",
    ),
    # testing
    "TEST.BATCH_SIZE": (8, "views that go through the network at once, per process"),
    "TEST.SPLIT": ("", "list to test on: train, val or test; empty: test where there is one, else val"),
    "TEST.CHECKPOINT_FILE_PATH": ("", "weights to test; empty: the best of OUTPUT_DIR, else the last"),
    "TEST.NUM_ENSEMBLE_VIEWS": (10, "clips of a video, spread over its length"),
    "TEST.NUM_SPATIAL_CROPS": (3, "crops of a clip: 1 centre, or 3 along the longer side"),
    "TEST.ENSEMBLE_METHOD": ("sum", "how the scores of a video's views become one: sum or max"),
}

# No number is negative; these counts are at least 1, these shares at most 1.
COUNTS = {
    *("DATA.NUM_FRAMES", "DATA.SAMPLING_RATE", "DATA.TRAIN_CROP_SIZE", "DATA.TEST_CROP_SIZE", "AUG.NUM_SAMPLE"),
    *("BN.NUM_SPLITS", "TRAIN.BATCH_SIZE", "TRAIN.ACCUMULATE", "TEST.BATCH_SIZE", "TEST.NUM_ENSEMBLE_VIEWS"),
}
SHARES = {"AUG.COLOR_JITTER", "AUG.ERASE", "DATA.MAX_BAD", "TRAIN.EMA"}
COLOURS = {"DATA.MEAN": 0.0, "DATA.STD": 1e-6}  # three numbers up to 1, and the least of them

# Sections that are calls, each with the arguments that the code hands in: no key sets these.
CALLS: dict[str, tuple[str, ...]] = {
    "MODEL": ("pathway",),
    "HEAD": (),
    "DATA": (),
    "TASK": (),
    "OPTIM": (),
    "SCHEDULE": ("base_lr", "epochs", "warmup_epochs", "warmup_start_lr"),
}
