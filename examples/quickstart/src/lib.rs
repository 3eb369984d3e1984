//! The quickstart project: drawn images, questions and answers, tiny models.
