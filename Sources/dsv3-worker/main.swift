print("dsv3-worker")
