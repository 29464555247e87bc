"""In place of the module of this name that the source distribution left out."""

from django.db import models


class TestModel(models.Model):
    """Has a name."""

    name = models.CharField(max_length=255)


class TestModelWithCustomPK(models.Model):
    """Has a primary key that is not called `id`."""

    name = models.CharField(max_length=255, primary_key=True)
    description = models.CharField(max_length=255, null=True)
