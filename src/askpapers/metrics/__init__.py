"""The measures: pure functions, each with its definition and source, tested by hand tables.

    retrieval        recall@k, nDCG@k, reciprocal rank, hit@k, evidence@k, context precision/recall
    citations        ALCE citation recall and precision, invalid numbers, quotations not verbatim
    answers          faithfulness, key-fact recall, similarity, forbidden text, written share
    facts            the normal form of text and numbers in which facts are compared
    hallucinations   what in a claim its evidence does not hold, by kind
    classification   precision, recall, F1, balanced accuracy, AUROC, confusion
    calibration      ECE, Brier score, reliability, risk-coverage and its area
    statistics       means with seeded, clustered bootstrap intervals; paired differences
    registry         every measure's name, direction, unit, definition and source

A measure that does not apply to a case is `None`, never zero. Means are taken over judged cases.
"""
