from hypothesis import settings

settings.register_profile("ddnn", deadline=None, max_examples=50)
settings.load_profile("ddnn")
