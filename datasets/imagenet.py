"""imagenet: the ImageNet of the challenge of 2012, 1,000 classes (Russakovsky et al. 2015).

It is in a folder of the user's own: 1,281,167 images in `train` and 50,000 in `val`, each in the
folder of its class, which is named by its WordNet id. The published weights number classes in the
order of these ids. They were trained on all of `train`, so they have seen the validation split. Any
folder of this layout loads, whatever its classes; a pair refuses one whose number of classes isn't
its model's.
"""

from datasets.folder import FolderDefinition

IMAGENET = FolderDefinition(
    name="imagenet",
    summary="1.3 million photographs of a thousand classes; your own folder",
    variable="BENCH_IMAGENET",
)
