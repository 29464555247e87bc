from django.db import migrations

NAMES = ["lobby", "tea-kitchen", "help-desk"]


def add_rooms(apps, schema_editor):
    room = apps.get_model("rooms", "Room")
    room.objects.bulk_create([room(name=name) for name in NAMES], ignore_conflicts=True)


class Migration(migrations.Migration):
    """Give the landing page of an empty site something to open."""

    dependencies = [("rooms", "0001_initial")]
    operations = [migrations.RunPython(add_rooms, migrations.RunPython.noop)]
