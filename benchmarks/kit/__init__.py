"""What the benchmarks share: boards that say what real ones say, raw MQTT, brokers, processes that
receive, and tables of figures. It may import gateway and protocol; nobody imports it but
benchmarks/ and its tests.
"""
