"""Judge landmarks: 68 points and a face score for the faces of the generated corpora."""
