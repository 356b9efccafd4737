"""The main job: a robot crosses a scene among people, and what came of it."""
