"""Whatever has to do with the MQTT broker itself: an embedded or installed process, the files that
mosquitto reads, and the site's own certificates (`pki.py`).

May import: config and the other ground files.
"""
