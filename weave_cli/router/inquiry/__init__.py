"""Questions from one router to another about itself and its host: for the doctor, and for trials."""
